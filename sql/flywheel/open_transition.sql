create function flywheel.open_transition(opening public.phoenix_transitions)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  opened_at timestamptz := clock_timestamp();
begin
  if exists (
    select from public.phoenix_transitions as t
    where t.user_id = opening.user_id and t.transition_id = opening.transition_id
  )
  -- What was folded late does not undo what was decided since. Two questions, each to its own index.
  or exists (
    select from public.phoenix_transitions as t
    where t.user_id = opening.user_id
      and t.target_app = opening.target_app
      and t.requested_at > opening.requested_at
      -- Of those that events of one millisecond caused this one is the latest: they are folded in order.
      and (t.causation_id is null or t.requested_at >= opening.requested_at + interval '1 millisecond')
  )
  then
    return false;
  end if;

  -- So it is listed as that one, too. It stays in its millisecond, however many there are in that.
  opening.requested_at := greatest(
    opening.requested_at,
    (
      select max(least(t.requested_at + interval '1 microsecond', opening.requested_at + interval '999 microseconds'))
      from public.phoenix_transitions as t
      where t.user_id = opening.user_id
        and t.target_app = opening.target_app
        and t.requested_at >= opening.requested_at
    )
  );

  perform flywheel.move_transition(t, 'expired', 'superseded', opened_at)
  from public.phoenix_transitions as t
  where t.user_id = opening.user_id
    and t.target_app = opening.target_app
    and t.status in ('requested', 'notified');

  insert into public.phoenix_transitions select opening.*;
  perform flywheel.tell_transition(opening, opened_at);
  perform flywheel.enqueue_delivery(
    opening,
    opening.target_app,
    'transition',
    'transition_phoenix_' || opening.source_app,
    opening.source_app,
    opening.context,
    opened_at
  );
  return true;
end
$$;

comment on function flywheel.open_transition(public.phoenix_transitions) is
  'Opens a transition on a stream that the caller has locked: the row, the event that tells of it, its delivery. An earlier one to the same app that nobody has answered yet is superseded and expires; a later one stands, whatever was answered to it. Of several that one millisecond brought, requested_at grows in the order in which they are opened. Returns whether it was opened.';
