create view public.phoenix_ecosystem_analytics
with (security_invoker = true)
as
select
  r.day as date,
  r.app_source,
  r.key as event_type,
  (sum(r.count) filter (where r.figure = 'event'))::bigint as event_count,
  sum(r.users)::bigint as unique_users,
  case
    when r.app_source <> 'flywheel'
      then round(
        sum(r.total)
        / nullif(
          sum(r.count) filter (where r.figure = 'event')
          - coalesce(sum(r.count) filter (where r.figure = 'first_event'), 0),
          0
        )
      )::double precision * interval '1 microsecond'
  end as avg_time_between_events
from flywheel.event_rollups as r
group by r.day, r.app_source, r.key
having sum(r.count) filter (where r.figure = 'event') > 0
union all
-- A signed-in user sees no rollups, but their own events: the same figures, counted from those.
select
  (j.at at time zone 'UTC')::date,
  j.app_source,
  j.event_type,
  count(*),
  count(distinct j.user_id),
  avg(j.since) filter (where j.app_source <> 'flywheel')
from (
  select
    e.user_id,
    e.app_source,
    e.event_type,
    t.at,
    t.at - lag(t.at) over (partition by e.user_id, e.app_source = 'flywheel' order by t.at, e.version) as since
  from public.phoenix_events as e
  cross join lateral (
    select greatest(e."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
  ) as t
) as j
where current_user = 'authenticated'
group by 1, 2, 3;

comment on view public.phoenix_ecosystem_analytics is
  'Events by UTC day, app and type, as far as the flywheel has handled them; late events on the day they happened. For a signed-in user, their own.';
comment on column public.phoenix_ecosystem_analytics.date is 'The UTC day on which the events happened.';
comment on column public.phoenix_ecosystem_analytics.app_source is 'The app that published them.';
comment on column public.phoenix_ecosystem_analytics.event_type is 'What happened.';
comment on column public.phoenix_ecosystem_analytics.event_count is 'How often.';
comment on column public.phoenix_ecosystem_analytics.unique_users is 'To how many users.';
comment on column public.phoenix_ecosystem_analytics.avg_time_between_events is
  'The mean time since each user''s event before, of any app and on any day, over the events that have one before: the mean of time_since_last_event in phoenix_user_journey. Null where none has, and for app flywheel.';
