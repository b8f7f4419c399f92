create table public.phoenix_transitions (
  transition_id uuid not null,
  user_id uuid not null,
  source_app text not null,
  target_app text not null,
  context jsonb not null,
  status text not null default 'requested'
    check (status in ('requested', 'notified', 'accepted', 'completed', 'rejected', 'expired')),
  requested_at timestamptz not null default now(),
  notified_at timestamptz,
  accepted_at timestamptz,
  completed_at timestamptz,
  rejected_at timestamptz,
  expires_at timestamptz not null,
  expired_at timestamptz,
  reason text,
  causation_id text,
  correlation_id text,
  primary key (user_id, transition_id),
  check (expires_at > requested_at),
  check (source_app <> target_app)
);

create unique index phoenix_transitions_open on public.phoenix_transitions (user_id, target_app)
where status in ('requested', 'notified');
create index phoenix_transitions_latest on public.phoenix_transitions (user_id, target_app, requested_at);
create index phoenix_transitions_id on public.phoenix_transitions (transition_id);
create index phoenix_transitions_inbox on public.phoenix_transitions (target_app, status, requested_at, transition_id);
create index phoenix_transitions_requested_at on public.phoenix_transitions (requested_at, transition_id);

alter table public.phoenix_transitions enable row level security;

comment on table public.phoenix_transitions is
  'Every time a user was handed over from one app to another with a context, and what became of it: requested, notified, accepted, completed; or rejected, or expired. A user has one open transition an app at most.';
comment on column public.phoenix_transitions.transition_id is
  'UUIDv5 of its user, the target app and the event that caused it, so that no replay makes it twice; random where it was asked for by hand.';
comment on column public.phoenix_transitions.user_id is 'Who is handed over.';
comment on column public.phoenix_transitions.source_app is 'The app that the user comes from.';
comment on column public.phoenix_transitions.target_app is 'The app that the user is handed to.';
comment on column public.phoenix_transitions.context is
  'What the target app should know, so that it need not ask again. What the flywheel does not know is left out.';
comment on column public.phoenix_transitions.status is 'The last step taken.';
comment on column public.phoenix_transitions.requested_at is 'When it was asked for: when the store received the event that caused it, to the millisecond, and a microsecond after the one before to the same app in that; or when somebody asked by hand.';
comment on column public.phoenix_transitions.notified_at is 'When the target app had received it.';
comment on column public.phoenix_transitions.accepted_at is 'When the target app took it over.';
comment on column public.phoenix_transitions.completed_at is 'When the target app had done its part.';
comment on column public.phoenix_transitions.rejected_at is 'When it was turned down.';
comment on column public.phoenix_transitions.expires_at is 'Until when it can be accepted or rejected.';
comment on column public.phoenix_transitions.expired_at is 'When it was given up: unanswered for too long, or superseded by a newer one.';
comment on column public.phoenix_transitions.reason is 'Why it was rejected or has expired, in a few words.';
comment on column public.phoenix_transitions.causation_id is 'The event_id of the event that caused it; null where it was asked for by hand.';
comment on column public.phoenix_transitions.correlation_id is
  'The correlation_id of that event; the events that tell of the transition keep it.';
