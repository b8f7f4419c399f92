create table flywheel.deliveries (
  user_id uuid not null,
  delivery_id uuid not null,
  app text not null,
  kind text not null check (kind in ('transition', 'notification')),
  transition_id uuid,
  message jsonb not null,
  created_at timestamptz not null,
  available_at timestamptz,
  attempts integer not null default 0,
  configuration integer,
  published_at timestamptz,
  delivered_at timestamptz,
  failed_at timestamptz,
  failure text,
  primary key (user_id, delivery_id)
);

create index deliveries_available_at on flywheel.deliveries (app, available_at)
where available_at is not null;
create index deliveries_pending on flywheel.deliveries (user_id, transition_id)
where available_at is not null;
create index deliveries_failed_at on flywheel.deliveries (failed_at)
where failed_at is not null;

alter table flywheel.deliveries enable row level security;

comment on table flywheel.deliveries is
  'The outbox: what apps are to be told, written in the transaction that decided it and carried by QStash afterwards, at least once and always under the same id.';
comment on column flywheel.deliveries.user_id is 'Whom it is about.';
comment on column flywheel.deliveries.delivery_id is 'The app''s idempotency key, and QStash''s deduplication id.';
comment on column flywheel.deliveries.app is 'The app to tell.';
comment on column flywheel.deliveries.kind is
  'transition: the app may answer; notification: fire and forget. It names the queue: phoenix_<app>_<kind>s.';
comment on column flywheel.deliveries.transition_id is 'The transition it is about.';
comment on column flywheel.deliveries.message is 'What the app is told: { type, source_app, target_app, context, timestamp }.';
comment on column flywheel.deliveries.created_at is 'When it was decided.';
comment on column flywheel.deliveries.available_at is
  'When a deliverer should look at it: now, the end of a lease, or when QStash has been silent for too long. Null: nothing to do.';
comment on column flywheel.deliveries.attempts is 'How often a deliverer took it.';
comment on column flywheel.deliveries.configuration is 'The value of flywheel.apps.configuration when a deliverer last took it; null until one does, and where it is to be told anew.';
comment on column flywheel.deliveries.published_at is
  'When QStash was last known to have it. Null: not yet, or not since the app was configured anew.';
comment on column flywheel.deliveries.delivered_at is 'When QStash said that the app had answered 2xx.';
comment on column flywheel.deliveries.failed_at is 'When QStash gave up or refused it, or when it came due while its app had no address. Null again once it is delivered after all, or due again because the app was configured anew.';
comment on column flywheel.deliveries.failure is 'Why it failed.';
