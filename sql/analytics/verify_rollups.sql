create function flywheel.verify_rollups()
returns table (
  figure text,
  day date,
  app_source text,
  key text,
  count bigint,
  users bigint,
  total numeric,
  remembered integer[],
  forgotten integer[]
)
language sql
stable
security definer
set search_path = ''
set work_mem = '64MB'
as $$
  -- One statement, one snapshot: commits that come meanwhile are in both sides or in neither.
  with logged as materialized (
    select f.*
    from (
      select
        array_agg(s.user_id order by s.user_id) as users,
        array_agg(s.counted_version order by s.user_id) as upto
      from flywheel.streams as s
      where s.counted_version > 0
    ) as s
    cross join lateral flywheel.figures(s.users, s.upto) as f
  ),
  number as (
    select
      n.figure, n.day, n.app_source, n.key,
      sum(n.count)::bigint as count,
      sum(n.users)::bigint as users,
      sum(n.total) as total
    from (
      select l.figure, l.day, l.app_source, l.key, l.count, l.users, l.total from logged as l
      union all
      select c.figure, c.day, c.app_source, c.key, -c.count, -c.users, -c.total from flywheel.current_rollups as c
    ) as n
    group by n.figure, n.day, n.app_source, n.key
    having sum(n.count) <> 0 or sum(n.users) <> 0 or sum(n.total) <> 0
  ),
  duration as (
    select
      d.figure, d.day, d.app_source, d.key,
      array_agg(d.second) filter (where d.times > 0) as remembered,
      array_agg(d.second) filter (where d.times < 0) as forgotten
    from (
      select s.figure, s.day, s.app_source, s.key, s.second, sum(s.times) as times
      from (
        select l.figure, l.day, l.app_source, l.key, unnest(l.seconds) as second, 1 as times from logged as l
        union all
        select r.figure, r.day, r.app_source, r.key, unnest(r.seconds), -unnest(r.times) from flywheel.durations as r
        union all
        select p.figure, p.day, p.app_source, p.key, p.second, -p.times from flywheel.pending_durations as p
      ) as s
      group by s.figure, s.day, s.app_source, s.key, s.second
      having sum(s.times) <> 0
    ) as d
    cross join lateral generate_series(1, abs(d.times))
    group by d.figure, d.day, d.app_source, d.key
  )
  select
    figure,
    day,
    app_source,
    key,
    coalesce(n.count, 0),
    coalesce(n.users, 0),
    coalesce(n.total, 0),
    coalesce(d.remembered, '{}'),
    coalesce(d.forgotten, '{}')
  from number as n
  full join duration as d using (figure, day, app_source, key)
$$;

comment on function flywheel.verify_rollups() is
  'Counts the log anew and says what the rollups lack to be equal to it, or have too much: no row where they are right. Reads everything; workers and publishers go on meanwhile.';
