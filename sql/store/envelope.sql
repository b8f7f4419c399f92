create type flywheel.envelope as (
  event_type text,
  app_source text,
  source_app text,
  payload jsonb,
  data jsonb,
  metadata jsonb,
  event_id text,
  user_id text,
  "timestamp" text,
  correlation_id text,
  causation_id text,
  session_id text
);

comment on type flywheel.envelope is
  'The fields of a publication as they were sent, those of Aube''s own envelope included. flywheel.read_envelopes() says what they have to be.';
