create function flywheel.ring_on_append()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- A time further ahead than the longest ring_interval is from before the clock was set back, and does not count. Infinity becomes
  -- null here, and nobody rings.
  if nullif(
    coalesce(nullif(current_setting('flywheel.quiet_until', true), ''), '0')::numeric - extract(epoch from clock_timestamp()),
    'Infinity'
  ) not between 0 and 10 then
    perform flywheel.ring();
  end if;
  return null;
end
$$;

comment on function flywheel.ring_on_append() is
  'Rings the doorbell when events were appended. Until flywheel.quiet_until, in seconds since 1970, there is no need: flywheel.ring() sets it where the bell rang lately, and flywheel.commit() for itself, since a worker that appends is about to look for more.';

-- It asks by itself whether to ring: a condition of the trigger's would be read from the catalog, parsed and planned anew for each
-- statement, which takes longer than to append an event does.
create trigger ring_on_append
after insert on public.phoenix_events
for each statement
execute function flywheel.ring_on_append();

comment on trigger ring_on_append on public.phoenix_events is
  'The database webhook: once a statement, whatever the number of events.';
