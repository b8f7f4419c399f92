create function flywheel.rebuild_rollups()
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  corrections integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = '25001', message = 'Rollups are rebuilt in a transaction of isolation level read committed.';
  end if;
  -- Two rebuilds at once would both add what is missing.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.rebuild_rollups', 0));

  with written as (
    insert into flywheel.rollup_increments (increments)
    select
      jsonb_agg(
        jsonb_build_array(
          v.figure, v.day - date '1970-01-01', v.app_source, v.key, v.count, v.users, v.total, v.remembered, v.forgotten
        )
      )
    -- In pieces, as in flywheel.count_users().
    from (select v.*, row_number() over () / 10000 as piece from flywheel.verify_rollups() as v) as v
    group by v.piece
    returning jsonb_array_length(increments::jsonb) as corrections
  )
  select coalesce(sum(w.corrections), 0) into corrections from written as w;

  while flywheel.merge_rollups() > 0 loop
  end loop;
  return corrections + flywheel.rebuild_activity();
end
$$;

comment on function flywheel.rebuild_rollups() is
  'Makes the rollups, and flywheel.user_activity, equal to the log by adding what flywheel.verify_rollups() says that they lack: from nothing, or after damage. Workers and publishers go on meanwhile. Returns how many figures and users it corrected.';
