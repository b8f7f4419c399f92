create function flywheel.step_percentiles(since date)
returns table (week date, event_type text, share double precision, seconds double precision)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  with pending as materialized (
    select
      p.day,
      p.key,
      p.span,
      array_agg(p.second) as seconds,
      array_agg(p.times) as times,
      sum(p.times) as count
    from flywheel.pending_durations as p
    where p.figure = 'step' and p.day >= since
    group by p.day, p.key, p.span
  ),
  span as materialized (
    select d.day, d.key, d.span, sum(d.count)::integer as count
    from (
      select s.day, s.key, s.span, s.count from flywheel.durations as s where s.figure = 'step' and s.day >= since
      union all
      select p.day, p.key, p.span, p.count from pending as p
    ) as d
    group by d.day, d.key, d.span
    having sum(d.count) > 0
  ),
  running as (
    select
      s.*,
      sum(s.count) over (partition by s.week, s.key order by s.span) as upto,
      sum(s.count) over (partition by s.week, s.key) as all_count
    from (
      select s.day as week, array[s.day] as days, s.key, s.span, s.count from span as s
      union all
      select null, array_agg(s.day), s.key, s.span, sum(s.count)::integer from span as s group by s.key, s.span
    ) as s
  ),
  -- Of all the users of a step, numbered from 0, a percentile lies between two; here are the spans in which those are.
  placed as materialized (
    select r.week, r.days, r.key, r.span, r.upto - r.count as before, p.share, p.place
    from running as r
    cross join lateral (
      select s.share, s.share * (r.all_count - 1) as place
      from (values (0.5::double precision), (0.9)) as s (share)
    ) as p
    where r.upto - r.count <= ceil(p.place) and floor(p.place) < r.upto
  )
  select b.week, b.key, b.share, b.low + (b.high - b.low) * (b.place - floor(b.place))
  from (
    select p.week, p.key, p.share, p.place, min(f.low) as low, min(f.high) as high
    from placed as p
    cross join lateral (
      select
        min(l.second) filter (where l.upto > floor(p.place)) as low,
        min(l.second) filter (where l.upto > ceil(p.place)) as high
      from (
        select u.second, p.before + sum(sum(u.times)::integer) over (order by u.second) as upto
        from (
          select d.seconds, d.times
          from flywheel.durations as d
          where d.figure = 'step' and d.day = any (p.days) and d.app_source = '' and d.key = p.key and d.span = p.span
          union all
          select q.seconds, q.times from pending as q where q.day = any (p.days) and q.key = p.key and q.span = p.span
        ) as d
        cross join lateral unnest(d.seconds, d.times) as u (second, times)
        group by u.second
      ) as l
    ) as f
    group by p.week, p.key, p.share, p.place
  ) as b;
end
$$;

comment on function flywheel.step_percentiles(date) is
  'The median (share 0.5) and the 90th percentile of the seconds that users took to each of Aube''s steps, by their week from a week on, and for all those weeks together (week null): as percentile_cont gives them. Reads how many durations each span has, and the durations of those spans alone in which these two lie.';
