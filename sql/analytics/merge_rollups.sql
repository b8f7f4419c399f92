create function flywheel.merge_rollups()
returns integer
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  ids bigint[];
begin
  -- One at a time; whoever comes meanwhile has something better to do.
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.merge_rollups', 0)) then
    return 0;
  end if;

  ids := array(select i.increment_id from flywheel.rollup_increments as i order by i.increment_id limit 64);
  if cardinality(ids) = 0 then
    return 0;
  end if;

  insert into flywheel.rollups as r (figure, day, app_source, key, count, users, total)
  select p.figure, p.day, p.app_source, p.key, sum(p.count), sum(p.users), sum(p.total)
  from flywheel.pending_rollups as p
  where p.increment_id = any (ids)
  group by p.figure, p.day, p.app_source, p.key
  on conflict (figure, day, app_source, key) do update
  set
    count = r.count + excluded.count,
    users = r.users + excluded.users,
    total = r.total + excluded.total;

  update flywheel.rollups as r
  set seconds = flywheel.merge_seconds(r.seconds, c.remembered, c.forgotten)
  from (
    select
      p.figure,
      p.day,
      p.app_source,
      p.key,
      array_agg(p.second) filter (where p.is_remembered) as remembered,
      array_agg(p.second) filter (where not p.is_remembered) as forgotten
    from flywheel.pending_seconds as p
    where p.increment_id = any (ids)
    group by p.figure, p.day, p.app_source, p.key
  ) as c
  where r.figure = c.figure and r.day = c.day and r.app_source = c.app_source and r.key = c.key;

  -- Of what nobody did any more nothing is left, least of all what an erased user said.
  delete from flywheel.rollups as r
  using (
    select distinct p.figure, p.day, p.app_source, p.key
    from flywheel.pending_rollups as p
    where p.increment_id = any (ids)
  ) as c
  where r.figure = c.figure and r.day = c.day and r.app_source = c.app_source and r.key = c.key
    and r.count = 0 and r.users = 0 and r.total = 0 and coalesce(cardinality(r.seconds), 0) = 0;

  delete from flywheel.rollup_increments as i where i.increment_id = any (ids);
  return cardinality(ids);
end
$$;

comment on function flywheel.merge_rollups() is
  'Adds what commits have left in rollup_increments to the rollups, a bounded piece at a time. What is read does not change by it, only how fast. Returns how many commits it merged; 0 where there is nothing to merge or somebody else is at it.';
