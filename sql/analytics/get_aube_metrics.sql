create function public.get_aube_metrics(days_back integer default 30)
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
      select r.figure, r.key, sum(r.count)::bigint as count, sum(r.total) as total
      from flywheel.current_rollups as r
      where r.figure in ('exploring', 'exploration_completed', 'exploration_time', 'transition', 'satisfaction')
        and r.day >= since
        and (r.figure <> 'satisfaction' or r.app_source = 'aube')
      group by r.figure, r.key
    ),
    whole as (
      select
        coalesce(sum(r.count) filter (where r.figure = 'exploring'), 0)::bigint as begun,
        coalesce(sum(r.count) filter (where r.figure = 'exploration_completed'), 0)::bigint as completed,
        coalesce(sum(r.count) filter (where r.figure = 'transition'), 0)::bigint as transitions,
        sum(r.total) filter (where r.figure = 'exploration_time')
          / nullif(sum(r.count) filter (where r.figure = 'exploration_time'), 0) / 60000000 as minutes,
        sum(r.total) filter (where r.figure = 'satisfaction')
          / nullif(sum(r.count) filter (where r.figure = 'satisfaction'), 0) / 100 as satisfaction
      from recent as r
    )
    select jsonb_build_object(
      'parcours_commencés', w.begun,
      'parcours_complétés', w.completed,
      'taux_completion', coalesce(round(100.0 * w.completed / nullif(w.begun, 0), 1), 0),
      'transitions_écosystème', w.transitions,
      'temps_moyen_parcours', round(w.minutes, 1),
      'satisfaction_moyenne', round(w.satisfaction, 1),
      'métiers_populaires', flywheel.popular_jobs(since, 1)
    )
    from whole as w
  );
end
$$;

comment on function public.get_aube_metrics(integer) is
  'obtenir_métriques_utilisation of Aube over the last days_back UTC days (1 to 366), today included. parcours_commencés: users with an exploration_commencée in them. parcours_complétés: of these, users with a métier_choisi in them. taux_completion: percent of the first, to a tenth, 0 without any. transitions_écosystème: transitions taken in them. temps_moyen_parcours: minutes from a user''s last exploration_commencée, if in them, to their last métier_choisi, if that comes after it; mean, to a tenth. satisfaction_moyenne: mean of satisfaction in feedback.submitted of app aube, to a tenth. Both null without any. métiers_populaires: flywheel.popular_jobs().';
