create table flywheel.settings (
  only_row boolean primary key default true check (only_row),
  dedup_window interval not null default '5 minutes' check (dedup_window between '0' and '30 days'),
  future_tolerance interval not null default '5 minutes' check (future_tolerance between '0' and '1 day'),
  max_batch_events integer not null default 500 check (max_batch_events between 1 and 5000),
  max_batch_bytes integer not null default 1048576 check (max_batch_bytes between 1024 and 1048576),
  max_json_depth integer not null default 32 check (max_json_depth between 4 and 62),
  lease_time interval not null default '60 seconds' check (lease_time between '1 second' and '1 hour'),
  lease_users integer not null default 100 check (lease_users between 1 and 1000),
  lease_events integer not null default 100 check (lease_events between 1 and 5000),
  lease_bytes integer not null default 65536 check (lease_bytes between 1024 and 2097152),
  max_attempts integer not null default 5 check (max_attempts between 2 and 50),
  backoff_base interval not null default '1 second' check (backoff_base between '10 milliseconds' and '1 hour'),
  backoff_max interval not null default '10 minutes' check (backoff_max between '10 milliseconds' and '1 day'),
  backoff_jitter double precision not null default 0.2 check (backoff_jitter between 0 and 1),
  max_workers integer not null default 4 check (max_workers between 1 and 64),
  work_budget interval not null default '5 seconds' check (work_budget between '1 second' and '50 seconds'),
  work_events integer not null default 20000 check (work_events between 1 and 10000000),
  ring_interval interval not null default '50 milliseconds' check (ring_interval between '0' and '10 seconds'),
  linger interval not null default '200 milliseconds' check (linger between '0' and '10 seconds'),
  prune_interval interval not null default '1 minute' check (prune_interval between '0' and '1 day'),
  prune_rows integer not null default 5000 check (prune_rows between 1 and 100000),
  replay_users integer not null default 500 check (replay_users between 1 and 10000),
  reactor_settings jsonb not null default '{}' check (jsonb_typeof(reactor_settings) = 'object'),
  delivery_retries integer not null default 3 check (delivery_retries between 0 and 20),
  delivery_retry_delay text not null default 'min(86400000, exp(2.5 * (retried + 1)) * 1000)'
    check (delivery_retry_delay ~ '^[a-z0-9 ,.+*/%()-]{1,200}$'),
  delivery_timeout interval not null default '30 seconds' check (delivery_timeout between '1 second' and '15 minutes'),
  delivery_parallelism integer not null default 10 check (delivery_parallelism between 1 and 1000),
  delivery_patience interval not null default '2 days' check (delivery_patience between '1 second' and '30 days'),
  check (backoff_base <= backoff_max),
  -- Otherwise a worker would never linger to the end, and hand on for ever.
  check (linger < work_budget)
);

insert into flywheel.settings default values;

alter table flywheel.settings enable row level security;

comment on table flywheel.settings is
  'Every knob of the store and the engine, in one row. Changed by UPDATE, in force from the next call, no deploy needed.';
comment on column flywheel.settings.only_row is 'Keeps the table to one row.';
comment on column flywheel.settings.dedup_window is
  'How long a fingerprint without a publisher''s timestamp counts. Sliding: each duplicate starts it anew.';
comment on column flywheel.settings.future_tolerance is 'How far ahead of the server''s clock an event''s timestamp may be.';
comment on column flywheel.settings.max_batch_events is 'Events in one publication.';
comment on column flywheel.settings.max_batch_bytes is 'Bytes of one publication, as the JSON text that was sent; with its numbers written out it may have twice as many. POST events reads 1 MiB at most, which is the most allowed here.';
comment on column flywheel.settings.max_json_depth is 'Levels of nesting inside one event. POST events reads 64, of which a publication''s list takes two.';
comment on column flywheel.settings.lease_time is
  'How long a lease lasts: of a user''s backlog, of a delivery. A worker at work renews the former in time; one that dies costs this much.';
comment on column flywheel.settings.lease_users is 'Users a worker takes at once.';
comment on column flywheel.settings.lease_events is 'Events of one user that a worker takes at once.';
comment on column flywheel.settings.lease_bytes is
  'Bytes of large payloads of one user, as they are stored, that a worker takes at once; the event that goes beyond them comes too. A compressed payload counts as at least 1024, since it may be as long as a publication. flywheel.lease() itself bounds what a worker takes of all users together.';
comment on column flywheel.settings.max_attempts is 'Times an event that fails is folded before it is set aside.';
comment on column flywheel.settings.backoff_base is 'Wait after the first failed attempt; doubles with each further one.';
comment on column flywheel.settings.backoff_max is 'The longest wait between two attempts.';
comment on column flywheel.settings.backoff_jitter is 'Share of a wait that is random, 0 to 1, so that failures do not return in step.';
comment on column flywheel.settings.max_workers is 'Workers that may drain the backlog at the same time.';
comment on column flywheel.settings.work_budget is
  'Wall-clock time after which a worker hands on to the next. With work_events it keeps a worker far below the 2 s of processor time and the 150 s that Supabase grants a function.';
comment on column flywheel.settings.work_events is 'Events after which a worker hands on; it ends what it has leased.';
comment on column flywheel.settings.ring_interval is 'The doorbell rings at most once in this time; linger covers what it leaves out.';
comment on column flywheel.settings.linger is
  'How long a worker that found nothing more keeps looking before it leaves. Longer than ring_interval, and shorter than work_budget.';
comment on column flywheel.settings.prune_interval is 'How long pruning rests once no old fingerprint is left.';
comment on column flywheel.settings.prune_rows is 'Fingerprints that are pruned at once.';
comment on column flywheel.settings.replay_users is
  'Users that a replay sets back at once. The next follow when nothing is due: when these are folded, or leased.';
comment on column flywheel.settings.reactor_settings is
  'The reactors'' knobs that differ from their defaults, such as { "nudges": { "holdout": 0 } }; docs/nudges.md names them all. A change counts for what happens from then on, a replay included: flywheel.settings_changes remembers.';
comment on column flywheel.settings.delivery_retries is
  'How often QStash tries again to deliver to an app. Its plans have a limit, which refuses more.';
comment on column flywheel.settings.delivery_retry_delay is
  'The wait before a retry, as QStash''s expression in milliseconds. As it stands it is QStash''s own: 12 s, 2 min 28 s, 30 min, ….';
comment on column flywheel.settings.delivery_timeout is 'How long an app may take to answer a delivery.';
comment on column flywheel.settings.delivery_parallelism is
  'How many deliveries QStash makes at a time from a queue that the deliverer created. One that fails holds its place until its retries end: with 1, one bad delivery holds up all others.';
comment on column flywheel.settings.delivery_patience is
  'How long QStash may be silent about a delivery before it is published again, under the same id. Longer than the longest wait between two of its attempts.';
