create function flywheel.journey_steps()
returns table (step integer, event_type text)
language sql
immutable
parallel safe
rows 8
set search_path = ''
as $$
  values
    (1, 'exploration_commencée'),
    (2, 'valeurs_explorées'),
    (3, 'compétences_révélées'),
    (4, 'tests_psychométriques_complétés'),
    (5, 'recommandations_générées'),
    (6, 'validation_ia_effectuée'),
    (7, 'métier_choisi'),
    (8, 'transition_écosystème')
$$;

comment on function flywheel.journey_steps() is 'The steps of an exploration with Aube, in the order that Aube proposes.';
