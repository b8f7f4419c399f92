create table flywheel.audit (
  audit_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  action text not null,
  subject_hash bytea,
  by_role text not null,
  details jsonb not null default '{}'
);

alter table flywheel.audit enable row level security;

comment on table flywheel.audit is
  'Which role erased or exported a user''s data, and when. Append-only for every API role; holds nothing personal: of the user there is a hash.';
comment on column flywheel.audit.audit_id is 'Order of the entries.';
comment on column flywheel.audit.at is 'When it was done.';
comment on column flywheel.audit.action is 'The function that did it.';
comment on column flywheel.audit.subject_hash is
  'SHA-256 of the user''s id as text: whoever knows the id finds the entry, and nobody finds the id by it.';
comment on column flywheel.audit.by_role is 'The role that the caller had assumed.';
comment on column flywheel.audit.details is 'How many rows of each table, and the reason given, which names nobody.';
