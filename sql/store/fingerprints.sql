create table flywheel.fingerprints (
  user_id uuid not null,
  fingerprint bytea not null,
  event_id uuid not null,
  seen_at timestamptz not null,
  primary key (user_id, fingerprint)
)
with (fillfactor = 90);

create index fingerprints_seen_at on flywheel.fingerprints (seen_at);

alter table flywheel.fingerprints enable row level security;

comment on table flywheel.fingerprints is 'Which publications without a publisher''s timestamp were seen lately, and as which event. Pruned after the dedup window. With a timestamp a fingerprint counts for ever: the log remembers it by phoenix_events.event_hash.';
comment on column flywheel.fingerprints.user_id is 'Whose event.';
comment on column flywheel.fingerprints.fingerprint is 'SHA-256; flywheel.read_envelopes() says over what.';
comment on column flywheel.fingerprints.event_id is 'The first publication''s event_id.';
comment on column flywheel.fingerprints.seen_at is 'The last publication of it; the dedup window runs from here.';
