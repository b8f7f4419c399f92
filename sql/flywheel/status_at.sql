create function flywheel.status_at(transition public.phoenix_transitions, moment timestamptz)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when flywheel.step_allowed((transition).status, 'expired') and (transition).expires_at <= moment then 'expired'
    else (transition).status
  end;
end
$$;

comment on function flywheel.status_at(public.phoenix_transitions, timestamptz) is
  'Where a transition stands at a moment: one whose time is over has expired, even if no worker has said so yet.';
