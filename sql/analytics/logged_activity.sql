create function flywheel.logged_activity()
returns setof flywheel.user_activity
language sql
stable
set search_path = ''
as $$
  select
    e.user_id,
    max(e.at) filter (where e.app_source = 'cv'),
    max(e.at) filter (where e.app_source = 'cv' and e.place = 3),
    max(e.at) filter (where e.app_source = 'letters')
  from (
    select
      v.user_id,
      v.app_source,
      t.at,
      row_number() over (partition by v.user_id, v.app_source order by t.at desc) as place
    from public.phoenix_events as v
    join flywheel.streams as s
      on s.user_id = v.user_id and v.version <= s.counted_version
    cross join lateral (
      select greatest(v."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
    ) as t
    where v.app_source in ('cv', 'letters')
      and v.event_type not in (
        'user.registered', 'user.login', 'user.logout', 'user.tier_updated', 'subscription.activated',
        'feedback.submitted', 'nudge.shown', 'nudge.clicked', 'nudge.dismissed', 'nudge.converted',
        'nudge.expired', 'nudge.cancelled'
      )
  ) as e
  group by e.user_id
$$;

comment on function flywheel.logged_activity() is
  'What flywheel.user_activity has to hold, from the log: for every user with activity in CV or Letters, as far as they are counted.';
