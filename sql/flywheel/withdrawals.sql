create table flywheel.withdrawals (
  delivery_id uuid primary key,
  available_at timestamptz not null default clock_timestamp(),
  is_repetition boolean not null default false
);

create index withdrawals_available_at on flywheel.withdrawals (available_at);

alter table flywheel.withdrawals enable row level security;

comment on table flywheel.withdrawals is
  'Deliveries of users who were erased, which QStash may still carry, or have as a dead letter, and is to forget. Nothing here says whose they were.';
comment on column flywheel.withdrawals.delivery_id is 'The delivery''s id, by which QStash finds its message.';
comment on column flywheel.withdrawals.available_at is 'When a deliverer should have QStash forget it: now, or the end of a lease, or of the wait before the repetition.';
comment on column flywheel.withdrawals.is_repetition is
  'Whether QStash has forgotten it once: a deliverer that was handing it over at the time of the erasure may have done so only afterwards.';
