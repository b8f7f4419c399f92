create function flywheel.global_context()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  metrics jsonb := public.get_aube_metrics(30);
begin
  return jsonb_build_object(
    'utilisateurs_actifs', metrics -> 'parcours_commencés',
    'taux_succès', metrics -> 'taux_completion',
    -- What fewer have chosen could be one user's own words.
    'métiers_populaires', flywheel.popular_jobs(flywheel.period_start(30), 5)
  );
end
$$;

comment on function flywheel.global_context() is
  'What a user''s dashboard says of everybody, over the last 30 days, by public.get_aube_metrics(): { utilisateurs_actifs, taux_succès (percent), métiers_populaires: those of five users or more }.';
