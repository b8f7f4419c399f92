create function flywheel.ring_on_append()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
declare
  has_rung boolean;
begin
  -- A worker that appends is about to look for more.
  if current_setting('flywheel.is_committing', true) is distinct from 'on' then
    has_rung := flywheel.ring();
  end if;
  return null;
end
$$;

comment on function flywheel.ring_on_append() is 'Rings the doorbell when events were appended.';

create trigger ring_on_append
after insert on public.phoenix_events
for each statement
execute function flywheel.ring_on_append();

comment on trigger ring_on_append on public.phoenix_events is
  'The database webhook: once a statement, whatever the number of events.';
