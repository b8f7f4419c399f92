create view public.phoenix_nudge_experiments
with (security_invoker = true)
as
with arm as (
  select
    n.nudge_type,
    n.variant,
    count(*) as sent,
    count(n.shown_at) as shown,
    count(n.clicked_at) as clicked,
    count(n.converted_at) as converted
  from public.phoenix_nudges_sent as n
  group by n.nudge_type, n.variant
)
select
  a.nudge_type,
  a.variant,
  a.sent,
  a.shown,
  a.clicked,
  a.converted,
  a.converted::double precision / a.sent as conversion_rate,
  a.converted::double precision / a.sent - h.converted::double precision / h.sent as uplift_vs_holdout,
  flywheel.two_proportion_p_value(a.converted, a.sent, h.converted, h.sent) as p_value
from arm as a
left join arm as h
  on h.nudge_type = a.nudge_type and h.variant = 'holdout' and a.variant <> 'holdout';

comment on view public.phoenix_nudge_experiments is
  'What each wording of each nudge brings, beside the holdout, whose users are not nudged. docs/nudges.md says how to read it.';
comment on column public.phoenix_nudge_experiments.nudge_type is 'The experiment.';
comment on column public.phoenix_nudge_experiments.variant is 'The wording, or holdout.';
comment on column public.phoenix_nudge_experiments.sent is 'Nudges decided on; in the holdout they were recorded and not shown.';
comment on column public.phoenix_nudge_experiments.shown is 'Of these, how many a user has seen.';
comment on column public.phoenix_nudge_experiments.clicked is 'Of these, how many a user has followed.';
comment on column public.phoenix_nudge_experiments.converted is
  'Of these, how many led to what they were for: a click and the target action within 7 days; in the holdout the target action within 7 days of the decision.';
comment on column public.phoenix_nudge_experiments.conversion_rate is 'converted / sent, from 0 to 1.';
comment on column public.phoenix_nudge_experiments.uplift_vs_holdout is
  'The conversion rate less the holdout''s, from -1 to 1. It understates: who acts without a click counts in the holdout alone.';
comment on column public.phoenix_nudge_experiments.p_value is
  'How likely a difference of that size is where the nudge changes nothing: flywheel.two_proportion_p_value().';
