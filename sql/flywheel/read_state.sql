create function flywheel.read_state(owner uuid)
returns json
language plpgsql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return (
    select json_build_object(
      'shape', st.shape,
      'state', coalesce(st.state, '{}'),
      'version', s.processed_version,
      'head', s.version,
      -- What was folded before is being folded again.
      'is_behind', s.processed_version < s.folded_version,
      'settings_changed_at', flywheel.settings_changed_at()
    )
    from flywheel.streams as s
    left join flywheel.states as st
      on st.user_id = s.user_id
    where s.user_id = owner
  );
end
$$;

comment on function flywheel.read_state(uuid) is
  'What the reactors remember of a user: { shape, state, version: how far that is folded, head: of how many events, is_behind: whether it was folded further before, settings_changed_at: flywheel.settings_changed_at() }, with a null shape and an empty state before the first fold; null for a user who has no stream.';
