create function flywheel.merge_rollups()
returns integer
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  ids bigint[];
begin
  -- One at a time; a worker that comes meanwhile has something better to do.
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.merge_rollups', 0)) then
    return 0;
  end if;

  ids := array(select i.increment_id from flywheel.rollup_increments as i order by i.increment_id limit 64);
  if cardinality(ids) = 0 then
    return 0;
  end if;

  -- A row that comes to nothing is deleted, above all where its key is what an erased user said.
  merge into flywheel.rollups as r
  using (
    select
      p.figure, p.day, p.app_source, p.key,
      sum(p.count) as count,
      sum(p.users) as users,
      sum(p.total) as total
    from flywheel.pending_rollups as p
    where p.increment_id = any (ids)
    group by p.figure, p.day, p.app_source, p.key
    having sum(p.count) <> 0 or sum(p.users) <> 0 or sum(p.total) <> 0
  ) as c
  on r.figure = c.figure and r.day = c.day and r.app_source = c.app_source and r.key = c.key
  when matched and r.count + c.count = 0 and r.users + c.users = 0 and r.total + c.total = 0 then delete
  when matched then
    update set count = r.count + c.count, users = r.users + c.users, total = r.total + c.total
  when not matched then
    insert (figure, day, app_source, key, count, users, total)
    values (c.figure, c.day, c.app_source, c.key, c.count, c.users, c.total);

  merge into flywheel.durations as d
  using (
    select c.figure, c.day, c.app_source, c.key, c.span, m.seconds, m.times
    from (
      select
        p.figure, p.day, p.app_source, p.key, p.span,
        array_agg(p.second) as seconds,
        array_agg(p.times) as times
      from flywheel.pending_durations as p
      where p.increment_id = any (ids)
      group by p.figure, p.day, p.app_source, p.key, p.span
    ) as c
    left join flywheel.durations as b
      on b.figure = c.figure and b.day = c.day and b.app_source = c.app_source and b.key = c.key and b.span = c.span
    -- What is there and what comes: each second once.
    cross join lateral (
      select array_agg(s.second order by s.second) as seconds, array_agg(s.times order by s.second) as times
      from (
        select u.second, sum(u.times)::integer as times
        from (
          select * from unnest(b.seconds, b.times)
          union all
          select * from unnest(c.seconds, c.times)
        ) as u (second, times)
        group by u.second
        having sum(u.times) <> 0
      ) as s
    ) as m
  ) as c
  on d.figure = c.figure and d.day = c.day and d.app_source = c.app_source and d.key = c.key and d.span = c.span
  when matched and c.seconds is null then delete
  -- A user who was counted anew mostly has the same durations as before.
  when matched and (c.seconds, c.times) is distinct from (d.seconds, d.times) then
    update set seconds = c.seconds, times = c.times
  when not matched and c.seconds is not null then
    insert (figure, day, app_source, key, span, seconds, times)
    values (c.figure, c.day, c.app_source, c.key, c.span, c.seconds, c.times);

  delete from flywheel.rollup_increments as i where i.increment_id = any (ids);
  return cardinality(ids);
end
$$;

comment on function flywheel.merge_rollups() is
  'Adds what commits have left in rollup_increments to the rollups, a bounded piece at a time. What is read does not change by it, only how fast. Returns how many commits it merged; 0 where there is nothing to merge or somebody else is at it.';
