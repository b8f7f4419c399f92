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
  changed_at timestamptz := clock_timestamp();
  longest timestamptz := changed_at + greatest(new.lease_time, new.backoff_max);
begin
  update flywheel.streams as s
  set available_at = longest
  where s.user_id = any (
    array(
      -- Locked in the order in which publications lock, so that the two cannot deadlock.
      select l.user_id
      from flywheel.streams as l
      where l.version > l.processed_version
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
  'Keeps every backlog from waiting longer than a lease or a wait may last by the new settings: flywheel.backlog looks no further. A lease that this shortens still lasts at least as long as one that begins now.';

create trigger shorten_waits
after update of lease_time, backoff_max on flywheel.settings
for each row
when (greatest(new.lease_time, new.backoff_max) < greatest(old.lease_time, old.backoff_max))
execute function flywheel.shorten_waits();

comment on trigger shorten_waits on flywheel.settings is
  'Lower settings count for what waits already, too.';
