create function flywheel.transition_target(payload jsonb)
returns text
language sql
immutable
parallel safe
set search_path = ''
return (
  select case when t.target ~ '^[a-z0-9_-]{1,50}$' then t.target else '' end
  from (
    select regexp_replace(coalesce(flywheel.text_in(s.said, 100), ''), '^phoenix_', '') as target
    from (
      select case
        when flywheel.says(payload -> 'target_app') then payload -> 'target_app'
        else payload -> 'app_cible'
      end as said
    ) as s
  ) as t
);

comment on function flywheel.transition_target(jsonb) is
  'The app that a transition_écosystème leads to, by the first of its two names that says something, without phoenix_; empty where that is no app''s name.';
