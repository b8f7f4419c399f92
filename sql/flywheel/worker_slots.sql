create table flywheel.worker_slots (
  slot integer primary key,
  token uuid,
  expires_at timestamptz not null default '-infinity',
  processed_total bigint not null default 0
);

alter table flywheel.worker_slots enable row level security;

comment on table flywheel.worker_slots is 'The workers at work: how many may drain at once, and what they have handled.';
comment on column flywheel.worker_slots.slot is '1 to settings.max_workers.';
comment on column flywheel.worker_slots.token is 'The worker that holds the slot.';
comment on column flywheel.worker_slots.expires_at is 'When a slot that its worker did not give back is free again.';
comment on column flywheel.worker_slots.processed_total is 'Events handled by the slot''s workers, ever. Each adds its own as it leaves: what one that was killed, or that stayed beyond its slot''s end, had committed is missing.';
