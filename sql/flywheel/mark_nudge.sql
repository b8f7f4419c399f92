create function flywheel.mark_nudge(owner uuid, nudge uuid, step text)
returns setof public.phoenix_nudges_sent
language plpgsql
security definer
set search_path = ''
as $$
declare
  marked_at timestamptz;
  changed public.phoenix_nudges_sent;
begin
  -- The stream first, as everywhere: the change and the event that tells of it are one.
  perform from flywheel.streams as s where s.user_id = owner for no key update;
  marked_at := clock_timestamp();

  update public.phoenix_nudges_sent as n
  set
    shown_at = coalesce(n.shown_at, marked_at),
    clicked_at = case when step = 'clicked' then marked_at else n.clicked_at end,
    dismissed_at = case when step = 'dismissed' then marked_at else n.dismissed_at end
  where n.user_id = owner
    and n.nudge_id = nudge
    and n.status = any (case when step = 'shown' then array['pending'] else array['pending', 'shown'] end)
    and n.expires_at > marked_at
  returning n.* into changed;

  if changed.nudge_id is not null then
    perform flywheel.tell(
      owner,
      'nudge.' || step,
      jsonb_build_object(
        'nudge_id', nudge,
        'nudge_type', changed.nudge_type,
        'target_app', changed.target_app,
        'variant', changed.variant
      ),
      nudge::text,
      changed.correlation_id,
      marked_at,
      nudge || step
    );
  end if;

  return query
  select n.*
  from public.phoenix_nudges_sent as n
  where n.user_id = owner and n.nudge_id = nudge and not n.held_out;
end
$$;

comment on function flywheel.mark_nudge(uuid, uuid, text) is
  'Takes a step of the owner''s nudge (shown, clicked, dismissed) and appends the event that tells of it. A step already taken, or one that its status does not allow, changes nothing. Returns the nudge, or no row where the owner was given no such nudge.';
