create function flywheel.write_expiries(effects jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform flywheel.move_transition(t, 'expired', 'unanswered', clock_timestamp())
  from jsonb_to_recordset(effects) as e (user_id uuid, transition_id uuid)
  join public.phoenix_transitions as t
    on t.user_id = e.user_id and t.transition_id = e.transition_id
  where e.user_id = any (committed) and flywheel.step_allowed(t.status, 'expired');
end
$$;

comment on function flywheel.write_expiries(jsonb, uuid[]) is
  'Expires the transitions of committed users that nobody has answered: [ { user_id, transition_id } ]. What was answered meanwhile stays as it is.';
