create table public.phoenix_nudges_sent (
  user_id uuid not null,
  nudge_id uuid not null,
  nudge_type text not null,
  app_source text not null,
  target_app text not null,
  variant text not null default 'default',
  title text not null,
  message text not null,
  cta_label text not null,
  cta_url text not null,
  causation_id text,
  correlation_id text,
  sent_at timestamptz not null default now(),
  shown_at timestamptz,
  clicked_at timestamptz,
  dismissed_at timestamptz,
  converted_at timestamptz,
  cancelled_at timestamptz,
  expired_at timestamptz,
  expires_at timestamptz not null,
  success boolean generated always as (converted_at is not null) stored,
  held_out boolean generated always as (variant = 'holdout') stored,
  status text generated always as (
    case
      when converted_at is not null then 'converted'
      when variant = 'holdout' then 'held_out'
      when dismissed_at is not null then 'dismissed'
      when clicked_at is not null then 'clicked'
      when cancelled_at is not null then 'cancelled'
      when expired_at is not null then 'expired'
      when shown_at is not null then 'shown'
      else 'pending'
    end
  ) stored,
  primary key (user_id, nudge_id),
  check (expires_at > sent_at)
);

create index phoenix_nudges_sent_pending on public.phoenix_nudges_sent (user_id, sent_at)
where status = 'pending';

-- Who has had which nudge lately.
create index phoenix_nudges_sent_recent on public.phoenix_nudges_sent (nudge_type, sent_at, user_id);

alter table public.phoenix_nudges_sent enable row level security;

comment on table public.phoenix_nudges_sent is
  'Every nudge that the flywheel decided on, and what became of it.';
comment on column public.phoenix_nudges_sent.user_id is 'Whom it is for.';
comment on column public.phoenix_nudges_sent.nudge_id is
  'UUIDv5 of its user, its type and the event that caused it, or the timer''s time, so that no replay makes it twice.';
comment on column public.phoenix_nudges_sent.nudge_type is 'The rule that made it, such as letters_to_cv.';
comment on column public.phoenix_nudges_sent.app_source is 'The app whose event caused it, or that a failed transition came from: where it is best shown.';
comment on column public.phoenix_nudges_sent.target_app is 'The app it leads to.';
comment on column public.phoenix_nudges_sent.variant is
  'The wording of the experiment that the user is in; holdout for a nudge that is recorded and not shown.';
comment on column public.phoenix_nudges_sent.title is 'What the user reads first, in French.';
comment on column public.phoenix_nudges_sent.message is 'What the user reads next, in French.';
comment on column public.phoenix_nudges_sent.cta_label is 'The text of its button, in French.';
comment on column public.phoenix_nudges_sent.cta_url is 'Where its button leads.';
comment on column public.phoenix_nudges_sent.causation_id is 'The event_id of the event that caused it, or that set the timer that did.';
comment on column public.phoenix_nudges_sent.correlation_id is 'The correlation_id of that event.';
comment on column public.phoenix_nudges_sent.sent_at is 'When the flywheel decided on it.';
comment on column public.phoenix_nudges_sent.shown_at is 'When the user first saw it.';
comment on column public.phoenix_nudges_sent.clicked_at is 'When the user followed it.';
comment on column public.phoenix_nudges_sent.dismissed_at is 'When the user put it away.';
comment on column public.phoenix_nudges_sent.converted_at is
  'When the store received the event by which the user did what it led to: within settings.reactor_settings.nudges.conversion_days of the click; in the holdout, of the decision.';
comment on column public.phoenix_nudges_sent.cancelled_at is 'When it became pointless before it was seen.';
comment on column public.phoenix_nudges_sent.expired_at is 'When its time was over before it was followed.';
comment on column public.phoenix_nudges_sent.expires_at is 'When it is no longer shown.';
comment on column public.phoenix_nudges_sent.success is 'Whether it converted.';
comment on column public.phoenix_nudges_sent.held_out is 'Whether it is recorded and not shown.';
comment on column public.phoenix_nudges_sent.status is
  'Where it stands: pending, shown, clicked, dismissed, converted, cancelled, expired or held_out.';
