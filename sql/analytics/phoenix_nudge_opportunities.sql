create view public.phoenix_nudge_opportunities
with (security_invoker = true)
as
with recent as materialized (
  select now() - flywheel.recent_time() as since
)
select o.user_id, o.nudge_type, o.cv_last_activity, o.letters_last_activity
from (
  select
    a.user_id,
    case when a.letters_last_at > (select r.since from recent as r) then 'letters_to_cv' else 'cv_to_letters' end as nudge_type,
    a.cv_last_at as cv_last_activity,
    a.letters_last_at as letters_last_activity
  from flywheel.user_activity as a
  where case
    when a.letters_last_at > (select r.since from recent as r)
      then a.cv_last_at is null or a.cv_last_at <= (select r.since from recent as r)
    else a.cv_third_last_at > (select r.since from recent as r)
  end
) as o
where not exists (
  select
  from public.phoenix_nudges_sent as n
  where n.user_id = o.user_id
    and n.nudge_type = o.nudge_type
    and n.nudge_type in ('letters_to_cv', 'cv_to_letters')
    and n.sent_at > (select r.since from recent as r)
)
  -- A user is not shown that a nudge is held out: nor may a row here show it.
  and not (
    current_user = 'authenticated' and flywheel.is_held_out(o.user_id, o.nudge_type, (select r.since from recent as r))
  );

comment on view public.phoenix_nudge_opportunities is
  'Who would be nudged between CV and Letters by what they did in the last 30 days (settings: nudges.recent_days), and has had no nudge of that type in them, not even one held out: letters_to_cv for activity in Letters and none in CV; cv_to_letters for three activities in CV or more and none in Letters. The flywheel itself nudges when something happens, at most so many a week; this view lists who is left. Signing in, paying and giving feedback are no activity.';
comment on column public.phoenix_nudge_opportunities.user_id is 'Who.';
comment on column public.phoenix_nudge_opportunities.nudge_type is 'letters_to_cv or cv_to_letters.';
comment on column public.phoenix_nudge_opportunities.cv_last_activity is 'When the user last did something in CV, ever.';
comment on column public.phoenix_nudge_opportunities.letters_last_activity is 'When the user last did something in Letters, ever.';
