create function flywheel.answer_delivery(owner uuid, delivery uuid, answer text, why text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  heard_at timestamptz;
  delivered flywheel.deliveries;
  current public.phoenix_transitions;
begin
  -- The stream first, as everywhere.
  perform from flywheel.streams as s where s.user_id = owner for no key update;
  heard_at := clock_timestamp();

  update flywheel.deliveries as d
  set
    delivered_at = coalesce(d.delivered_at, heard_at),
    available_at = null,
    failed_at = null,
    failure = null
  where d.user_id = owner and d.delivery_id = delivery
  returning d.* into delivered;

  if delivered.kind is distinct from 'transition' then
    return;
  end if;

  select t.* into current
  from public.phoenix_transitions as t
  where t.user_id = owner and t.transition_id = delivered.transition_id;

  if flywheel.step_allowed(flywheel.status_at(current, heard_at), 'notified') then
    current := flywheel.move_transition(current, 'notified', null, heard_at);
  end if;
  -- The app may have told us by itself before it answered, the user may have decided otherwise, or its time may be over: what
  -- stands, stands.
  if answer in ('accepted', 'rejected') and flywheel.step_allowed(flywheel.status_at(current, heard_at), answer) then
    perform flywheel.move_transition(current, answer, why, heard_at);
  end if;
end
$$;

comment on function flywheel.answer_delivery(uuid, uuid, text, text) is
  'An app has received a delivery, and has perhaps answered accepted or rejected (else null) with a reason: the transition takes those steps that its state allows, and no other call is needed. Hearing of it again changes nothing.';
