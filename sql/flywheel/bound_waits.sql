create function flywheel.bound_waits(farthest interval)
returns void
language plpgsql
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
  bounded_at timestamptz;
  longest timestamptz;
begin
  -- Waits for every lease, and for whatever else has streams wait, and holds up those that follow: what the former wrote is shortened
  -- below. Before any stream is locked: who is waited for may wait for a stream.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.settings_changes', 0));
  perform pg_advisory_xact_lock(hashtextextended('flywheel.waits', 0));
  bounded_at := clock_timestamp();
  select bounded_at + greatest(o.lease_time, o.backoff_max) into longest from flywheel.settings as o;

  update flywheel.streams as s
  set
    -- What waits for nothing but a worker waits no longer.
    available_at = case when s.attempts = 0 and s.lease_token is null then bounded_at else longest end,
    -- To be counted, as in flywheel.refold(): a publication that turns out to be a duplicate sets available_at back to wake_at.
    wake_at = case when s.attempts = 0 and s.version = s.processed_version then bounded_at else s.wake_at end
  where s.user_id = any (
    array(
      -- Locked in the order in which publications lock, so that the two cannot deadlock.
      select l.user_id
      from flywheel.streams as l
      where l.available_at > bounded_at
        and l.available_at <= bounded_at + bound_waits.farthest
        and case
          when l.attempts = 0 and l.lease_token is null and l.version > l.processed_version then true
          -- Without a backlog, too, where it is not a timer that is waited for: what is published meanwhile waits as long.
          else l.available_at > longest
            and (l.version > l.processed_version or l.attempts > 0 or l.counted_version < l.processed_version)
        end
      order by l.user_id
      for no key update
    )
  );
end
$$;

comment on function flywheel.bound_waits(interval) is
  'Keeps every backlog, and what is published during a lease or a wait, from waiting longer than a lease or a wait may last by the settings: flywheel.backlog looks no further. Who waits for no lease and no next attempt is due at once; timers stay as they are. farthest: how far ahead such waits are looked for.';
