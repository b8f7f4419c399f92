create function flywheel.transition_taken(payload jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = ''
return case
  when flywheel.says(payload -> 'status') then payload -> 'status' = '"accepted"'
  else not flywheel.says(payload -> 'target_app') and not flywheel.says(payload -> 'app_cible')
end;

comment on function flywheel.transition_taken(jsonb) is
  'Whether a transition_écosystème says for the first time that it was taken; one that names neither an app nor a status says so by itself. One that names an app asks for it, however badly it is written.';
