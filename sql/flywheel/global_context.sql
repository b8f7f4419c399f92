create function flywheel.global_context()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  metrics jsonb;
begin
  -- The analysts' own figures, where they are installed; otherwise the same straight from the log.
  if to_regprocedure('public.get_aube_metrics(integer)') is not null then
    execute 'select public.get_aube_metrics(30)' into metrics;
  else
    with recent as (
      select e.user_id, e.event_type, e.payload
      from public.phoenix_events as e
      where e."timestamp" > now() - interval '30 days'
        and e.event_type in ('exploration_commencée', 'métier_choisi')
    ),
    begun as (
      select
        r.user_id,
        exists (
          select from recent as c where c.user_id = r.user_id and c.event_type = 'métier_choisi'
        ) as completed
      from recent as r
      where r.event_type = 'exploration_commencée'
      group by r.user_id
    )
    select jsonb_build_object(
      'parcours_commencés', count(*),
      'taux_completion', coalesce(round(100.0 * count(*) filter (where b.completed) / nullif(count(*), 0), 1), 0),
      'métiers_populaires', coalesce(
        (
          select jsonb_agg(j.name order by j.times desc, j.name)
          from (
            select r.payload ->> 'métier' as name, count(*) as times
            from recent as r
            where r.event_type = 'métier_choisi'
            group by r.payload ->> 'métier'
            order by count(*) desc, r.payload ->> 'métier'
            limit 5
          ) as j
        ),
        '[]'
      )
    )
    into metrics
    from begun as b;
  end if;

  return jsonb_build_object(
    'utilisateurs_actifs', metrics -> 'parcours_commencés',
    'taux_succès', metrics -> 'taux_completion',
    'métiers_populaires', metrics -> 'métiers_populaires'
  );
end
$$;

comment on function flywheel.global_context() is
  'What a user''s dashboard says of everybody, over the last 30 days: { utilisateurs_actifs, taux_succès (percent), métiers_populaires }.';
