/**
 * The analysts' figures worked out from the log, as one would write them without rollups: what the views and functions have to be
 * equal to, and what the benchmark races them against. `$1` is the number of days or weeks.
 */

const recent = `
  recent as (
    select e.*
    from public.phoenix_events as e
    where e."timestamp" >= ((now() at time zone 'UTC')::date - $1::integer + 1)::timestamp at time zone 'UTC'
  )`;

const firstWeek = `(date_trunc('week', now() at time zone 'UTC')::date - 7 * ($1::integer - 1))`;

export const ecosystemStats = `
  with ${recent}
  select jsonb_build_object(
    'period_days', $1::integer,
    'total_events', (select count(*) from recent),
    'unique_users', (select count(distinct user_id) from recent),
    'avg_events_per_user', coalesce((select round(count(*)::numeric / nullif(count(distinct user_id), 0), 2) from recent), 0),
    'app_breakdown', coalesce(
      (
        select jsonb_object_agg(a.app_source, jsonb_build_object('events', a.events, 'users', a.users))
        from (
          select app_source, count(*) as events, count(distinct user_id) as users from recent group by app_source
        ) as a
      ),
      '{}'
    ),
    'top_events', coalesce(
      (
        select jsonb_object_agg(t.event_type, t.events)
        from (
          select event_type, count(*) as events from recent group by event_type order by count(*) desc, event_type limit 10
        ) as t
      ),
      '{}'
    )
  ) as figures`;

export const aubeMetrics = `
  with ${recent},
  explorer as (
    select
      user_id,
      max("timestamp") filter (where event_type = 'exploration_commencée') as begun,
      max("timestamp") filter (where event_type = 'métier_choisi') as chosen
    from recent
    where event_type in ('exploration_commencée', 'métier_choisi')
    group by user_id
  )
  select jsonb_build_object(
    'parcours_commencés', (select count(begun) from explorer),
    'parcours_complétés', (select count(*) from explorer where begun is not null and chosen is not null),
    'taux_completion', coalesce((select round(100.0 * count(chosen) / nullif(count(*), 0), 1) from explorer where begun is not null), 0),
    'transitions_écosystème', (
      select count(*)
      from recent
      where event_type = 'transition_écosystème'
        and (payload ->> 'status' = 'accepted' or coalesce(payload ->> 'status', payload ->> 'target_app', payload ->> 'app_cible') is null)
    ),
    'temps_moyen_parcours', (select round(avg(extract(epoch from chosen - begun)) / 60, 1) from explorer where chosen >= begun),
    'satisfaction_moyenne', (
      select round(avg((payload ->> 'satisfaction')::numeric), 1)
      from recent
      where event_type = 'feedback.submitted' and app_source = 'aube' and payload ? 'satisfaction'
    ),
    'métiers_populaires', coalesce(
      (
        select jsonb_agg(j.job order by j.times desc, j.job)
        from (
          select c.job, count(*) as times
          from (
            select distinct on (user_id) payload ->> 'métier' as job
            from recent
            where event_type = 'métier_choisi'
            order by user_id, "timestamp" desc, version desc
          ) as c
          group by 1
          order by 2 desc, 1
          limit 5
        ) as j
      ),
      '[]'
    )
  ) as figures`;

export const kpis = `
  with ${recent},
  transition as (
    select
      r.user_id,
      r."timestamp" as requested_at,
      a."timestamp" as accepted_at,
      a.payload ->> 'target_app' as target_app
    from public.phoenix_events as r
    left join public.phoenix_events as a
      on a.user_id = r.user_id
      and a.event_type = 'transition_écosystème'
      and a.payload ->> 'status' = 'accepted'
      and a.payload ->> 'transition_id' = r.payload ->> 'transition_id'
    where r.event_type = 'transition_écosystème'
      and r.payload ->> 'status' = 'requested'
      and r.payload ? 'transition_id'
  ),
  asked as (
    select user_id, bool_or(accepted_at is not null) as is_taken
    from transition
    where requested_at >= ((now() at time zone 'UTC')::date - $1::integer + 1)::timestamp at time zone 'UTC'
    group by user_id
  ),
  taken as (
    select
      t.*,
      exists (
        select
        from public.phoenix_events as e
        where e.user_id = t.user_id
          and e.app_source = t.target_app
          and (e."timestamp" at time zone 'UTC')::date >= (t.accepted_at at time zone 'UTC')::date + 30
      ) as is_back
    from transition as t
    where (t.accepted_at at time zone 'UTC')::date
      between (now() at time zone 'UTC')::date - $1::integer - 29 and (now() at time zone 'UTC')::date - 30
  ),
  customer as (
    select
      user_id,
      count(distinct app_source) filter (where app_source in ('aube', 'cv', 'letters', 'rise')) as products,
      coalesce(sum((payload ->> 'amount_eur')::numeric) filter (where event_type = 'subscription.activated'), 0) as euros
    from recent
    group by user_id
  )
  select jsonb_build_object(
    'transition_rate', (select round(avg(is_taken::integer), 4) from asked),
    'avg_transition_minutes', (
      select round(avg(extract(epoch from accepted_at - requested_at)) / 60, 2)
      from transition
      where accepted_at is not null
        and requested_at >= ((now() at time zone 'UTC')::date - $1::integer + 1)::timestamp at time zone 'UTC'
    ),
    'cross_app_retention_30d', (select round(avg(is_back::integer), 4) from taken),
    'cross_sell_revenue_uplift', (
      select round(
        (sum(euros) filter (where products > 1) * count(*) filter (where products = 1))
        / nullif(sum(euros) filter (where products = 1) * count(*) filter (where products > 1), 0) - 1,
        4
      )
      from customer
    )
  ) as figures`;

export const aubeFunnel = `
  with step (step, event_type) as (
    values
      (1, 'exploration_commencée'), (2, 'valeurs_explorées'), (3, 'compétences_révélées'),
      (4, 'tests_psychométriques_complétés'), (5, 'recommandations_générées'), (6, 'validation_ia_effectuée'),
      (7, 'métier_choisi'), (8, 'transition_écosystème')
  ),
  reached as (
    select e.user_id, s.step, min(e."timestamp") as at
    from public.phoenix_events as e
    join step as s on s.event_type = e.event_type
    where s.step < 8
      or e.payload ->> 'status' in ('accepted', 'completed')
      or coalesce(e.payload ->> 'status', e.payload ->> 'target_app', e.payload ->> 'app_cible') is null
    group by e.user_id, s.step
  ),
  path as (
    select
      r.*,
      date_trunc('week', min(r.at) filter (where r.step = 1) over of_user at time zone 'UTC')::date as week,
      max(r.step) over of_user >= 7 as has_chosen,
      floor(extract(epoch from r.at - lag(r.at) over in_time))::double precision as seconds,
      lead(r.at) over in_time is null as is_last
    from reached as r
    window of_user as (partition by r.user_id), in_time as (partition by r.user_id order by r.at, r.step)
  ),
  counted as (
    select
      p.week,
      p.step,
      count(*) as users,
      percentile_cont(array[0.5, 0.9]) within group (order by case when p.step > 1 then p.seconds end) as seconds,
      count(*) filter (where p.is_last and not p.has_chosen) as exits
    from path as p
    where p.week >= ${firstWeek}
    group by grouping sets ((p.week, p.step), (p.step))
  )
  select
    w.week::text as cohort_week,
    s.step,
    s.event_type,
    coalesce(c.users, 0)::integer as users,
    round(
      coalesce(c.users, 0)::numeric
      / nullif(lag(coalesce(c.users, 0)) over (partition by w.week order by s.step), 0),
      4
    )::text as conversion,
    round((c.seconds[1] / 60)::numeric, 1)::text as median_minutes,
    round((c.seconds[2] / 60)::numeric, 1)::text as p90_minutes,
    coalesce(c.exits, 0)::integer as exits
  from (select distinct week from counted) as w
  cross join step as s
  left join counted as c on c.week is not distinct from w.week and c.step = s.step
  order by w.week nulls first, s.step`;

export const retention = `
  with presence as (
    select distinct e.user_id, a.app_source, date_trunc('week', e."timestamp" at time zone 'UTC')::date as week
    from public.phoenix_events as e
    cross join lateral (values (e.app_source), (null)) as a (app_source)
    where e.app_source <> 'flywheel'
  ),
  cohort as (
    select p.*, min(p.week) over (partition by p.user_id, p.app_source) as cohort_week from presence as p
  ),
  counted as (
    select c.app_source, c.cohort_week, (c.week - c.cohort_week) / 7 as weeks_later, count(*) as users
    from cohort as c
    where c.cohort_week >= ${firstWeek}
    group by 1, 2, 3
  )
  select
    c.app_source,
    c.cohort_week::text,
    c.weeks_later,
    c.users::integer,
    round(c.users::numeric / b.users, 4)::text as retention
  from counted as c
  join counted as b
    on b.app_source is not distinct from c.app_source and b.cohort_week = c.cohort_week and b.weeks_later = 0
  order by c.app_source nulls first, c.cohort_week, c.weeks_later`;

export const ecosystemAnalytics = `
  select
    (j."timestamp" at time zone 'UTC')::date::text as date,
    j.app_source,
    j.event_type,
    count(*)::integer as event_count,
    count(distinct j.user_id)::integer as unique_users,
    round(avg(extract(epoch from j.time_since_last_event) * 1000000))::text as micros_between
  from (
    select
      e.*,
      e."timestamp" - lag(e."timestamp") over (partition by e.user_id order by e."timestamp", e.version) as time_since_last_event
    from public.phoenix_events as e
    where e.app_source <> 'flywheel'
    union all
    select e.*, null from public.phoenix_events as e where e.app_source = 'flywheel'
  ) as j
  group by 1, 2, 3
  order by 1, 2, 3`;

export const nudgeOpportunities = `
  with activity as (
    select
      e.user_id,
      max(e."timestamp") filter (where e.app_source = 'cv') as cv_last_activity,
      max(e."timestamp") filter (where e.app_source = 'letters') as letters_last_activity,
      count(*) filter (where e.app_source = 'cv' and e."timestamp" > now() - interval '30 days') as cv_times
    from public.phoenix_events as e
    where e.app_source in ('cv', 'letters')
      and e.event_type not like 'user.%'
      and e.event_type not like 'nudge.%'
      and e.event_type not in ('subscription.activated', 'feedback.submitted')
    group by e.user_id
  ),
  opportunity as (
    select
      a.*,
      case
        when a.letters_last_activity > now() - interval '30 days'
          and not coalesce(a.cv_last_activity > now() - interval '30 days', false)
          then 'letters_to_cv'
        when a.cv_times >= 3 and not coalesce(a.letters_last_activity > now() - interval '30 days', false)
          then 'cv_to_letters'
      end as nudge_type
    from activity as a
  )
  select o.user_id, o.nudge_type, o.cv_last_activity, o.letters_last_activity
  from opportunity as o
  where o.nudge_type is not null
    and not exists (
      select
      from public.phoenix_nudges_sent as n
      where n.user_id = o.user_id and n.nudge_type = o.nudge_type and n.sent_at > now() - interval '30 days'
    )
  order by o.user_id`;
