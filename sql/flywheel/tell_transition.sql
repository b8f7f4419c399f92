create function flywheel.tell_transition(about public.phoenix_transitions, told_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform flywheel.tell(
    about.user_id,
    'transition_écosystème',
    jsonb_strip_nulls(jsonb_build_object(
      'transition_id', about.transition_id,
      'source_app', about.source_app,
      'target_app', about.target_app,
      'status', about.status,
      'reason', about.reason
    ))
    || case
      when about.status = 'requested' then jsonb_build_object(
        'context', about.context,
        'expires_at', to_char(about.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      )
      else '{}'
    end,
    case when about.status = 'requested' then about.causation_id else about.transition_id::text end,
    about.correlation_id,
    told_at,
    about.transition_id || about.status
  );
end
$$;

comment on function flywheel.tell_transition(public.phoenix_transitions, timestamptz) is
  'Appends the event that tells of a transition''s last step to its user''s stream, which the caller has locked. The first one carries the context.';
