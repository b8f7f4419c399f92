create table flywheel.aliases (
  user_id uuid not null,
  event_id uuid not null,
  fingerprint bytea not null,
  first_event_id uuid not null,
  primary key (user_id, event_id)
);

alter table flywheel.aliases enable row level security;

comment on table flywheel.aliases is 'The event_ids that publishers gave to events which the log already had under another one. Kept as long as the user''s events, since an event_id stands for the same event for ever.';
comment on column flywheel.aliases.user_id is 'Whose event.';
comment on column flywheel.aliases.event_id is 'What the later publication called it.';
comment on column flywheel.aliases.fingerprint is 'SHA-256 of what was published under it; flywheel.read_envelopes() says over what.';
comment on column flywheel.aliases.first_event_id is 'What the log calls it: phoenix_events.event_id.';
