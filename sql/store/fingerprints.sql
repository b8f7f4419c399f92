create table flywheel.fingerprints (
  user_id uuid not null,
  fingerprint bytea not null,
  event_id uuid not null,
  seen_at timestamptz not null,
  permanent boolean not null,
  primary key (user_id, fingerprint)
)
with (fillfactor = 90);

create index fingerprints_seen_at on flywheel.fingerprints (seen_at)
where not permanent;

alter table flywheel.fingerprints enable row level security;

comment on table flywheel.fingerprints is 'Which publications were seen, and as which event: the memory of deduplication.';
comment on column flywheel.fingerprints.user_id is 'Whose event.';
comment on column flywheel.fingerprints.fingerprint is 'SHA-256; flywheel.read_envelopes() says over what.';
comment on column flywheel.fingerprints.event_id is 'The first publication''s event_id.';
comment on column flywheel.fingerprints.seen_at is 'The last publication of it; the dedup window runs from here.';
comment on column flywheel.fingerprints.permanent is
  'True where the publisher gave a timestamp: such a fingerprint counts for ever. Others are pruned after the window.';
