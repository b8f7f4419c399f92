create table public.phoenix_events (
  user_id uuid not null,
  version bigint not null,
  event_id uuid not null,
  event_type text not null,
  app_source text not null,
  payload jsonb not null,
  metadata jsonb not null default '{}',
  correlation_id text,
  causation_id text,
  session_id text,
  "timestamp" timestamptz not null,
  received_at timestamptz not null default now(),
  event_hash bytea not null,
  ai_processing_error text,
  primary key (user_id, version)
);

create unique index phoenix_events_event_id on public.phoenix_events (user_id, event_id);
-- With the beginning of the fingerprint, to find one event among many of the same time, as when a publisher knows only days.
create index phoenix_events_timestamp on public.phoenix_events (user_id, "timestamp", substring(event_hash, 1, 4));
create index phoenix_events_dead_letters on public.phoenix_events (user_id, version)
where ai_processing_error is not null;

-- Says that a user has twenty events, whatever ANALYZE counts: if most users had one, a plan might go by the user alone, and read
-- all events of a user who has many.
alter table public.phoenix_events alter column user_id set (n_distinct = -0.05);

alter table public.phoenix_events enable row level security;

comment on table public.phoenix_events is
  'The log: what users did in the Phoenix apps. Append-only for every API role; a user''s events are numbered 1, 2, 3, … by version.';
comment on column public.phoenix_events.user_id is 'Whose stream the event belongs to.';
comment on column public.phoenix_events.version is 'Place in the user''s stream, from 1, without gaps, in commit order.';
comment on column public.phoenix_events.event_id is 'The publisher''s idempotency key, or one the store made. Unique for a user.';
comment on column public.phoenix_events.event_type is 'What happened, in NFC: a catalogue name such as cv.uploaded, or the publisher''s own.';
comment on column public.phoenix_events.app_source is 'The app that published it: a slug without the phoenix_ prefix.';
comment on column public.phoenix_events.payload is 'What the publisher said about it, canonical: NFC text, numbers without trailing zeros.';
comment on column public.phoenix_events.metadata is 'Technical context of the publisher''s own.';
comment on column public.phoenix_events.correlation_id is 'The conversation the event belongs to; the flywheel''s own events keep it.';
comment on column public.phoenix_events.causation_id is 'What caused the event: for the flywheel''s own events, the event_id of the cause.';
comment on column public.phoenix_events.session_id is 'The publisher''s session.';
comment on column public.phoenix_events."timestamp" is 'When it happened: the publisher''s time, or the time of receipt.';
comment on column public.phoenix_events.received_at is 'When the store appended it. Grows with version, unless the database''s clock was set back by more than settings.future_tolerance.';
comment on column public.phoenix_events.event_hash is 'The fingerprint: SHA-256, 32 bytes; flywheel.read_envelopes() says over what.';
comment on column public.phoenix_events.ai_processing_error is
  'Why the event was set aside as a dead letter; null where it was folded or awaits folding.';
