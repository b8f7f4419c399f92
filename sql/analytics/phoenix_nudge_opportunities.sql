create view public.phoenix_nudge_opportunities
with (security_invoker = true)
as
with recent as materialized (
  select now() - flywheel.recent_time() as since
),
fitting as (
  select
    a.user_id,
    'letters_to_cv' as nudge_type,
    a.cv_last_at as cv_last_activity,
    a.letters_last_at as letters_last_activity
  from flywheel.user_activity as a
  where a.letters_last_at > (select r.since from recent as r)
    and (a.cv_last_at is null or a.cv_last_at <= (select r.since from recent as r))
  union all
  select a.user_id, 'cv_to_letters', a.cv_last_at, a.letters_last_at
  from flywheel.user_activity as a
  where a.cv_third_last_at > (select r.since from recent as r)
    and (a.letters_last_at is null or a.letters_last_at <= (select r.since from recent as r))
)
select f.user_id, f.nudge_type, f.cv_last_activity, f.letters_last_activity
from fitting as f
where not exists (
  select
  from public.phoenix_nudges_sent as n
  where n.user_id = f.user_id
    and n.nudge_type = f.nudge_type
    and n.sent_at > (select r.since from recent as r)
);

comment on view public.phoenix_nudge_opportunities is
  'Who would be nudged between CV and Letters by what they did in the last 30 days (settings: nudges.recent_days), and has had no nudge of that type in them, not even one held out: letters_to_cv for activity in Letters and none in CV; cv_to_letters for three activities in CV or more and none in Letters. The flywheel itself nudges when something happens, at most so many a week; here stands who is left. Signing in, paying and giving feedback are no activity.';
comment on column public.phoenix_nudge_opportunities.user_id is 'Who.';
comment on column public.phoenix_nudge_opportunities.nudge_type is 'letters_to_cv or cv_to_letters.';
comment on column public.phoenix_nudge_opportunities.cv_last_activity is 'When the user last did something in CV, ever.';
comment on column public.phoenix_nudge_opportunities.letters_last_activity is 'When the user last did something in Letters, ever.';
