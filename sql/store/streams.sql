create table flywheel.streams (
  user_id uuid primary key,
  version bigint not null default 0,
  processed_version bigint not null default 0,
  folded_version bigint not null default 0,
  counted_version bigint not null default 0,
  available_at timestamptz,
  wake_at timestamptz,
  pending_since timestamptz,
  reached_at timestamptz not null default '-infinity',
  latest_at timestamptz,
  latest_before timestamptz,
  lease_token uuid,
  attempts integer not null default 0,
  has_aliases boolean not null default false,
  check (processed_version between 0 and version)
)
with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

create index streams_available_at on flywheel.streams (available_at)
where available_at is not null;

alter table flywheel.streams enable row level security;

comment on table flywheel.streams is
  'One row a user: how far the stream reaches and how far it is folded. Kept narrow, since every publish, lease and commit rewrites it.';
comment on column flywheel.streams.user_id is 'The stream''s owner.';
comment on column flywheel.streams.version is 'Events appended.';
comment on column flywheel.streams.processed_version is 'The checkpoint: events folded. A replay sets it back.';
comment on column flywheel.streams.folded_version is 'The highest checkpoint ever reached. A replay leaves it.';
comment on column flywheel.streams.counted_version is
  'The last version that the rollups count: folded_version, or less where late events are still to be counted, while their backlog is folded and, of a long stream, a while afterwards. A replay leaves it.';
comment on column flywheel.streams.available_at is
  'When a worker should look at this stream: now for a backlog, the end of a lease, the next attempt, or the next timer. Null: nothing to do.';
comment on column flywheel.streams.wake_at is 'The earliest timer the fold asked for, or, where events are still to be counted, the time to count them, whichever comes first.';
comment on column flywheel.streams.pending_since is 'Since when the backlog has waited: when its first event was received, or a replay set it back.';
comment on column flywheel.streams.reached_at is
  'When the last event was received, or the stream was leased last: whatever is appended next is received later, as flywheel.received_after() says, even where the clock was set back a little.';
comment on column flywheel.streams.latest_at is
  'The latest time that a publisher, or flywheel.tell(), gave to an event: what is published with a later one cannot be in the log yet, unless under a known event_id. Null where none was given.';
comment on column flywheel.streams.latest_before is 'latest_at before the last publication, by which that tells whether it is later. Means nothing until the user''s second publication.';
comment on column flywheel.streams.lease_token is 'The lease in force, or the last one that was not given back.';
comment on column flywheel.streams.attempts is 'How often the first event of this backlog, or the timer that is due, has been leased without a commit beyond it: a lease in force counts.';
comment on column flywheel.streams.has_aliases is 'Whether flywheel.aliases has any event_id of this user. Where it has none, an event that is later than all others need not be looked up there.';
