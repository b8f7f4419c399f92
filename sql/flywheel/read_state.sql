create function flywheel.read_state(owner uuid)
returns json
language sql
stable
security definer
set search_path = ''
as $$
  select json_build_object(
    'shape', st.shape,
    'state', coalesce(st.state, '{}'),
    'settings', flywheel.settings_history()
  )
  from flywheel.streams as s
  left join flywheel.states as st
    on st.user_id = s.user_id
  where s.user_id = owner
$$;

comment on function flywheel.read_state(uuid) is
  'What the reactors remember of a user: { shape, state, settings: flywheel.settings_history() }, with a null shape and an empty state before the first fold; null for a user who has no stream.';
