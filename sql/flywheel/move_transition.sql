create function flywheel.move_transition(
  moving public.phoenix_transitions,
  step text,
  why text,
  moved_at timestamptz
)
returns public.phoenix_transitions
language plpgsql
set search_path = ''
as $$
declare
  moved public.phoenix_transitions;
begin
  update public.phoenix_transitions as t
  set
    status = step,
    notified_at = case when step = 'notified' then moved_at else t.notified_at end,
    accepted_at = case when step = 'accepted' then moved_at else t.accepted_at end,
    completed_at = case when step = 'completed' then moved_at else t.completed_at end,
    rejected_at = case when step = 'rejected' then moved_at else t.rejected_at end,
    expired_at = case when step = 'expired' then moved_at else t.expired_at end,
    reason = coalesce(why, t.reason)
  where t.user_id = moving.user_id and t.transition_id = moving.transition_id
  returning t.* into moved;

  perform flywheel.tell_transition(moved, moved_at);
  if step = 'notified' then
    return moved;
  end if;

  -- What has been answered, or given up, need not be delivered any more.
  update flywheel.deliveries as d
  set available_at = null
  where d.user_id = moved.user_id
    and d.transition_id = moved.transition_id
    and d.kind = 'transition'
    and d.available_at is not null;

  -- A caller may give the same reason, but expires nothing.
  if (step, why) is distinct from ('expired', 'superseded') then
    perform flywheel.enqueue_delivery(
      moved,
      moved.source_app,
      'notification',
      'transition_' || step,
      moved.target_app,
      jsonb_strip_nulls(jsonb_build_object('status', step, 'reason', moved.reason)),
      moved_at
    );
  end if;
  return moved;
end
$$;

comment on function flywheel.move_transition(public.phoenix_transitions, text, text, timestamptz) is
  'Takes a step of a transition that the caller found legal, on a stream that it has locked: the change, the event that tells of it, and word to the app that the user came from, are one. Returns the transition.';
