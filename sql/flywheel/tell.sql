create function flywheel.tell(
  owner uuid,
  event_type text,
  payload jsonb,
  causation_id text,
  correlation_id text,
  told_at timestamptz,
  identity text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from flywheel.append_event(
    row(
      owner, gen_random_uuid(), false, event_type, 'flywheel', payload, '{}', correlation_id, causation_id, null, told_at,
      sha256(convert_to(identity, 'UTF8')), '{}'
    ),
    '0'
  );
end
$$;

comment on function flywheel.tell(uuid, text, jsonb, text, text, timestamptz, text) is
  'Appends an event of the flywheel''s own to a stream that the caller has locked. identity: what it tells, for its fingerprint.';
