create function flywheel.knows_alias(owner uuid, event_ids uuid[])
returns boolean
language plpgsql
-- Not stable: it has to see what was committed until the streams were locked, whenever the caller's statement began.
volatile
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
as $$
begin
  return exists (
    select from flywheel.aliases as a
    where a.user_id = owner and a.event_id = any (event_ids)
  );
end
$$;

comment on function flywheel.knows_alias(uuid, uuid[]) is
  'Whether one of these event_ids is an alias of a user''s. Called only for users of whom streams.has_aliases says that they have one: to call it for everybody would cost more than it finds.';
