create table flywheel.replays (
  replay_id uuid primary key default gen_random_uuid(),
  user_id uuid,
  since timestamptz,
  only_failed boolean not null,
  asked_at timestamptz not null default clock_timestamp(),
  users_total bigint not null default 0,
  events_total bigint not null default 0,
  users bigint not null default 0,
  events bigint not null default 0,
  last_user uuid,
  finished_at timestamptz,
  stopped_at timestamptz
);

create index replays_running on flywheel.replays (asked_at)
where finished_at is null and stopped_at is null;

alter table flywheel.replays enable row level security;

comment on table flywheel.replays is
  'Replays that were asked for, and how far they are: workers set the users back piece by piece, whenever nothing else is due.';
comment on column flywheel.replays.replay_id is 'Names the replay.';
comment on column flywheel.replays.user_id is 'The one user to fold anew, or null for all.';
comment on column flywheel.replays.since is 'Only users with events received since then.';
comment on column flywheel.replays.only_failed is 'Only users with dead letters.';
comment on column flywheel.replays.asked_at is 'When it was asked for.';
comment on column flywheel.replays.users_total is 'How many users it was to set back when it was asked for.';
comment on column flywheel.replays.events_total is 'How many events these users had.';
comment on column flywheel.replays.users is 'Users set back so far.';
comment on column flywheel.replays.events is 'Events of these users, to be folded anew.';
comment on column flywheel.replays.last_user is 'Users are set back in the order of their ids: the last one so far. Null before the first and after the end.';
comment on column flywheel.replays.finished_at is 'When the last user was set back.';
comment on column flywheel.replays.stopped_at is 'When it was stopped; users set back until then are folded all the same.';
