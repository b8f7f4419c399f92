create function flywheel.shorten_waits()
returns trigger
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
  changed_at timestamptz;
  longest timestamptz;
begin
  -- Waits for every lease, and for whatever else has streams wait, by the settings before, and holds up those that follow: what the
  -- former wrote is shortened below, and the latter read what is committed here. Before any stream is locked: who is waited for may
  -- wait for a stream.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.settings_changes', 0));
  perform pg_advisory_xact_lock(hashtextextended('flywheel.waits', 0));
  changed_at := clock_timestamp();
  -- As they are committed: the transaction may have changed them several times.
  select changed_at + greatest(o.lease_time, o.backoff_max) into longest from flywheel.settings as o;

  update flywheel.streams as s
  set available_at = longest
  where s.user_id = any (
    array(
      -- Locked in the order in which publications lock, so that the two cannot deadlock.
      select l.user_id
      from flywheel.streams as l
      -- Without a backlog, too, where it is not a timer that is waited for: what is published meanwhile waits as long.
      where (l.version > l.processed_version or l.attempts > 0)
        and l.available_at > longest
        and l.available_at <= changed_at + greatest(old.lease_time, old.backoff_max)
      order by l.user_id
      for no key update
    )
  );
  return null;
end
$$;

comment on function flywheel.shorten_waits() is
  'Keeps every backlog, and what is published during a lease or a wait, from waiting longer than a lease or a wait may last by the new settings: flywheel.backlog looks no further. A lease that this shortens still lasts at least as long as one that begins now. Runs as the change is committed: until then everybody waits by the settings before, and nobody is held up.';

create constraint trigger shorten_waits
after update of lease_time, backoff_max on flywheel.settings
deferrable initially deferred
for each row
when (greatest(new.lease_time, new.backoff_max) < greatest(old.lease_time, old.backoff_max))
execute function flywheel.shorten_waits();

comment on trigger shorten_waits on flywheel.settings is
  'Lower settings count for what waits already, too.';
