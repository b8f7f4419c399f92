create function flywheel.transition_target(payload jsonb)
returns text
language sql
immutable
parallel safe
set search_path = ''
return (
  select case when t.target ~ '^[a-z0-9_-]{1,50}$' then t.target else '' end
  from (
    select regexp_replace(
      coalesce(flywheel.text_in(payload -> 'target_app', 100), flywheel.text_in(payload -> 'app_cible', 100), ''),
      '^phoenix_',
      ''
    ) as target
  ) as t
);

comment on function flywheel.transition_target(jsonb) is
  'The app that a transition_écosystème leads to, without phoenix_; empty where it names none.';
