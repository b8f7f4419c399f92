create function flywheel.count_users(of_users uuid[], counted bigint[], upto bigint[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  with difference as (
    select
      f.figure, f.day, f.app_source, f.key,
      sum(f.times * f.count) as count,
      sum(f.times * f.users) as users,
      sum(f.times * f.total) as total,
      -- One list at most on each side.
      coalesce(max(f.seconds) filter (where f.times > 0), '{}') as remembered,
      coalesce(max(f.seconds) filter (where f.times < 0), '{}') as forgotten
    from (
      select 1 as times, n.* from flywheel.figures(of_users, upto) as n
      union all
      select -1, b.* from flywheel.figures(of_users, counted) as b
    ) as f
    group by f.figure, f.day, f.app_source, f.key
  )
  insert into flywheel.rollup_increments (increments)
  select
    jsonb_agg(
      jsonb_build_array(d.figure, d.day - date '1970-01-01', d.app_source, d.key, d.count, d.users, d.total)
      || case when d.remembered = d.forgotten then '[]' else jsonb_build_array(d.remembered, d.forgotten) end
    )
  from (
    -- A list of JSON ends at 256 MB, and one user may have used a million words.
    select d.*, row_number() over () / 10000 as piece
    from difference as d
    where d.count <> 0 or d.users <> 0 or d.total <> 0 or d.remembered <> d.forgotten
  ) as d
  group by d.piece;
end
$$;

comment on function flywheel.count_users(uuid[], bigint[], bigint[]) is
  'Counts users anew from the log, up to a version of each, in place of what was counted up to another: adds the difference to the rollups.';
