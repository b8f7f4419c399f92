create type flywheel.envelope as (
  event_type text,
  app_source text,
  source_app text,
  payload jsonb,
  data jsonb,
  metadata jsonb,
  event_id uuid,
  user_id uuid,
  "timestamp" timestamptz,
  correlation_id text,
  causation_id text,
  session_id text
);

comment on type flywheel.envelope is
  'The fields of a publication, those of Aube''s own envelope included. flywheel.envelope_issues() says what they have to be.';
