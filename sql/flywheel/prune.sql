create function flywheel.prune()
returns integer
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  settings flywheel.settings;
  pruned integer;
begin
  select s.* into settings from flywheel.settings as s;

  -- Whoever finds the row locked leaves the pruning to its holder.
  perform from flywheel.pruning as p
  where p.pruned_at <= statement_timestamp() - settings.prune_interval
  for no key update skip locked;
  if not found then
    return 0;
  end if;

  begin
    delete from flywheel.fingerprints as f
    using (
      select o.user_id, o.fingerprint
      from flywheel.fingerprints as o
      where o.seen_at <= statement_timestamp() - settings.dedup_window
      order by o.seen_at
      limit settings.prune_rows
      for update skip locked
    ) as old
    where f.user_id = old.user_id and f.fingerprint = old.fingerprint;
    get diagnostics pruned = row_count;
  exception
    -- As in flywheel.lease(): there is a later time for pruning.
    when lock_not_available then
      return 0;
  end;

  -- A full batch may have left more.
  if pruned < settings.prune_rows then
    update flywheel.pruning set pruned_at = clock_timestamp();
  end if;
  return pruned;
end
$$;

comment on function flywheel.prune() is
  'Deletes fingerprints older than the dedup window that no longer count, settings.prune_rows at most; once none is left, it rests for settings.prune_interval. Returns how many it deleted.';
