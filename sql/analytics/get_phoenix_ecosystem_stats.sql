create function public.get_phoenix_ecosystem_stats(days_back integer default 30)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  since date := flywheel.period_start(days_back);
begin
  return (
    with recent as materialized (
      select r.figure, r.app_source, r.key, sum(r.count)::bigint as count
      from flywheel.current_rollups as r
      where r.figure in ('event', 'last_event') and r.day >= since
      group by r.figure, r.app_source, r.key
    ),
    app as (
      select
        r.app_source,
        coalesce(sum(r.count) filter (where r.figure = 'event'), 0)::bigint as events,
        coalesce(sum(r.count) filter (where r.figure = 'last_event'), 0)::bigint as users
      from recent as r
      where r.app_source <> ''
      group by r.app_source
      having sum(r.count) filter (where r.figure = 'event') > 0
    ),
    top as (
      select r.key as event_type, sum(r.count)::bigint as events
      from recent as r
      where r.figure = 'event'
      group by r.key
      having sum(r.count) > 0
      order by sum(r.count) desc, r.key
      limit 10
    ),
    whole as (
      select
        coalesce(sum(r.count) filter (where r.figure = 'event'), 0)::bigint as events,
        coalesce(sum(r.count) filter (where r.figure = 'last_event' and r.app_source = ''), 0)::bigint as users
      from recent as r
    )
    select jsonb_build_object(
      'period_days', days_back,
      'total_events', w.events,
      'unique_users', w.users,
      'avg_events_per_user', coalesce(round(w.events::numeric / nullif(w.users, 0), 2), 0),
      'app_breakdown', (
        select coalesce(jsonb_object_agg(a.app_source, jsonb_build_object('events', a.events, 'users', a.users)), '{}')
        from app as a
      ),
      'top_events', (select coalesce(jsonb_object_agg(t.event_type, t.events), '{}') from top as t),
      'generated_at', now()
    )
    from whole as w
  );
end
$$;

comment on function public.get_phoenix_ecosystem_stats(integer) is
  'The ecosystem in the last days_back UTC days (1 to 366), today included: period_days; total_events, every event of the log; unique_users with any; avg_events_per_user, to a hundredth; app_breakdown { app: { events, users } }, the flywheel''s own events as app flywheel; top_events { type: count }, the ten commonest; generated_at. Counts what the flywheel has handled; late events on the day they happened.';
