create type flywheel.incoming_event as (
  user_id uuid,
  event_id uuid,
  is_id_given boolean,
  event_type text,
  app_source text,
  payload jsonb,
  metadata jsonb,
  correlation_id text,
  causation_id text,
  session_id text,
  "timestamp" timestamptz,
  fingerprint bytea,
  issues text[]
);

comment on type flywheel.incoming_event is
  'One publication as flywheel.read_envelopes() understood it. A null timestamp means that the publisher gave none; is_id_given says whether the publisher gave the event_id; issues, as field=message, mean that it is refused.';
