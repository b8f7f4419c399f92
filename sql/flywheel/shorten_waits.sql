create function flywheel.shorten_waits()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- By the settings as they are committed: the transaction may have changed them several times.
  perform flywheel.bound_waits(greatest(old.lease_time, old.backoff_max));
  return null;
end
$$;

comment on function flywheel.shorten_waits() is
  'Has what waits already wait no longer than lower settings allow. A lease that this shortens still lasts at least as long as one that begins now. Runs as the change is committed: until then everybody waits by the settings before, and nobody is held up.';

create constraint trigger shorten_waits
after update of lease_time, backoff_max on flywheel.settings
deferrable initially deferred
for each row
when (greatest(new.lease_time, new.backoff_max) < greatest(old.lease_time, old.backoff_max))
execute function flywheel.shorten_waits();

comment on trigger shorten_waits on flywheel.settings is
  'Lower settings count for what waits already, too.';
