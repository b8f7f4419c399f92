create function flywheel.step_percentiles(since date)
returns table (week date, event_type text, share double precision, seconds double precision)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  with sorted as materialized (
    -- Unpacked once: from here on it costs nothing to look at an element.
    select s.week, s.event_type, s.seconds || '{}'::integer[] as seconds
    from flywheel.step_seconds(since) as s
    where cardinality(s.seconds) > 0
  ),
  placed as materialized (
    select s.week, s.event_type, s.seconds, p.share, 1 + p.share * (cardinality(s.seconds) - 1) as place
    from sorted as s
    cross join (values (0.5::double precision), (0.9)) as p (share)
  ),
  -- The percentile of all weeks together lies between the least and the greatest of their own.
  bounded as materialized (
    select
      p.event_type,
      p.share,
      1 + p.share * (sum(cardinality(p.seconds)) - 1) as place,
      min(p.seconds[floor(p.place)::integer]) as low,
      max(p.seconds[ceil(p.place)::integer]) as high
    from placed as p
    group by p.event_type, p.share
  ),
  between_them as materialized (
    select
      b.event_type,
      b.share,
      b.place,
      n.below,
      p.seconds[n.below + 1:width_bucket(b.high, p.seconds)] as seconds
    from bounded as b
    join placed as p on p.event_type = b.event_type and p.share = b.share
    cross join lateral (select width_bucket(b.low - 1, p.seconds) as below) as n
  ),
  together as (
    select c.event_type, c.share, c.place - c.below as place, v.seconds
    from (
      select c.event_type, c.share, c.place, sum(c.below) as below
      from between_them as c
      group by c.event_type, c.share, c.place
    ) as c
    cross join lateral (
      select array_agg(d.second order by d.second) as seconds
      from between_them as s
      cross join lateral unnest(s.seconds) as d (second)
      where s.event_type = c.event_type and s.share = c.share
    ) as v
  )
  select p.week, p.event_type, p.share, flywheel.element_between(p.seconds, p.place)
  from placed as p
  union all
  select null, t.event_type, t.share, flywheel.element_between(t.seconds, t.place)
  from together as t;
end
$$;

comment on function flywheel.step_percentiles(date) is
  'The median (share 0.5) and the 90th percentile of the seconds that users took to each of Aube''s steps, by their week from a week on, and for all those weeks together (week null): as percentile_cont gives them, without sorting all durations.';
