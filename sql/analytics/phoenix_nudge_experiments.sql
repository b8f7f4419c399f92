create view public.phoenix_nudge_experiments
with (security_invoker = true)
as
select
  e.nudge_type,
  e.variant,
  e.sent,
  e.shown,
  e.clicked,
  e.converted,
  e.conversion_rate,
  e.uplift_vs_holdout,
  e.p_value
from flywheel.nudge_experiments('-infinity') as e;

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
