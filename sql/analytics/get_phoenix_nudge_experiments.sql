create function public.get_phoenix_nudge_experiments(days_back integer default 30)
returns table (
  nudge_type text,
  variant text,
  sent bigint,
  shown bigint,
  clicked bigint,
  converted bigint,
  conversion_rate double precision,
  uplift_vs_holdout double precision,
  p_value double precision
)
language sql
stable
security definer
set search_path = ''
as $$
  select e.*
  from flywheel.nudge_experiments(flywheel.period_start(days_back)::timestamp at time zone 'UTC') as e
$$;

comment on function public.get_phoenix_nudge_experiments(integer) is
  'public.phoenix_nudge_experiments of the nudges that were sent in the last days_back UTC days (1 to 366), today included.';
