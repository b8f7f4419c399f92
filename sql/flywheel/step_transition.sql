create function flywheel.step_transition(
  owner uuid,
  transition uuid,
  step text,
  why text default null
)
returns setof public.phoenix_transitions
language plpgsql
security definer
set search_path = ''
as $$
declare
  current public.phoenix_transitions;
  status text;
begin
  -- A caller who speaks for all users need not know whose transition it is.
  owner := coalesce(
    owner,
    (select t.user_id from public.phoenix_transitions as t where t.transition_id = transition limit 1)
  );
  -- The stream first, as everywhere: the change and the event that tells of it are one.
  perform from flywheel.streams as s where s.user_id = owner for no key update;

  select t.* into current
  from public.phoenix_transitions as t
  where t.user_id = owner and t.transition_id = transition;
  if not found then
    return;
  end if;
  status := flywheel.status_at(current, clock_timestamp());

  if (
    case step
      when 'accepted' then current.accepted_at
      when 'completed' then current.completed_at
      when 'rejected' then current.rejected_at
    end
  ) is not null then
    return next current;
  elsif flywheel.step_allowed(status, step) then
    return next flywheel.move_transition(current, step, why, clock_timestamp());
  else
    raise exception using
      errcode = 'PT409',
      message = format('A transition that is %s cannot become %s.', status, step),
      detail = 'illegal_step';
  end if;
end
$$;

comment on function flywheel.step_transition(uuid, uuid, text, text) is
  'Takes a step (accepted, completed, rejected) of a user''s transition; owner may be null where the caller speaks for all users. A step that was taken before changes nothing. Returns the transition, or no row where there is none. Raises PT409 illegal_step where its state, or its time, does not allow the step.';
