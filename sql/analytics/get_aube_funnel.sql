create function public.get_aube_funnel(weeks_back integer default 13)
returns table (
  cohort_week date,
  step integer,
  event_type text,
  users bigint,
  conversion numeric,
  median_minutes numeric,
  p90_minutes numeric,
  exits bigint
)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  since date := flywheel.first_week(weeks_back);
begin
  return query
  with counted as materialized (
    select r.day as week, r.figure, r.key as event_type, sum(r.count)::bigint as count
    from flywheel.current_rollups as r
    where r.figure in ('step', 'exit') and r.day >= since
    group by r.day, r.figure, r.key
  ),
  cohort as (
    select distinct c.week from counted as c where c.figure = 'step' and c.count > 0
    union all
    select null where exists (select from counted as c where c.figure = 'step' and c.count > 0)
  ),
  reached as (
    select
      h.week,
      s.step,
      s.event_type,
      coalesce(sum(c.count) filter (where c.figure = 'step'), 0)::bigint as users,
      coalesce(sum(c.count) filter (where c.figure = 'exit'), 0)::bigint as exits
    from cohort as h
    cross join flywheel.journey_steps() as s
    left join counted as c on c.event_type = s.event_type and (h.week is null or c.week = h.week)
    group by h.week, s.step, s.event_type
  ),
  timed as (
    select
      t.week,
      t.event_type,
      round((max(t.seconds) filter (where t.share = 0.5) / 60)::numeric, 1) as median_minutes,
      round((max(t.seconds) filter (where t.share = 0.9) / 60)::numeric, 1) as p90_minutes
    from flywheel.step_percentiles(since) as t
    group by t.week, t.event_type
  )
  select
    r.week,
    r.step,
    r.event_type,
    r.users,
    round(r.users::numeric / nullif(lag(r.users) over (partition by r.week order by r.step), 0), 4),
    t.median_minutes,
    t.p90_minutes,
    r.exits
  from reached as r
  left join timed as t
    on coalesce(t.week, 'infinity') = coalesce(r.week, 'infinity') and t.event_type = r.event_type
  order by r.week nulls first, r.step;
end
$$;

comment on function public.get_aube_funnel(integer) is
  'How far users come in Aube: a row a step for each week of the last weeks_back (1 to 53; UTC, from Monday), this one included, and for all of them together where cohort_week is null. A user belongs to the week of their first exploration_commencée and has reached a step once its event has happened, at any time since or before; transition_écosystème once the transition is taken. users: who reached the step. conversion: the same as a share of the step before, null where nobody reached that. median_minutes, p90_minutes: from the step that each user reached before it, to a tenth; percentiles lie between two users where need be. exits: users who reached this step last and have not chosen a job.';
