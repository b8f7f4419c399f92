create function flywheel.settings_history()
returns json
language sql
stable
set search_path = ''
as $$
  select coalesce(
    json_agg(
      json_build_object(
        'changed_at',
        case when isfinite(c.changed_at) then floor(extract(epoch from c.changed_at) * 1000) else 0 end,
        'said', c.reactor_settings
      )
      order by c.changed_at
    ),
    '[]'
  )
  from flywheel.settings_changes as c
$$;

comment on function flywheel.settings_history() is
  'What the reactors'' settings have been, oldest first: [ { changed_at (ms since 1970), said } ]. Of these the last one that the schema allows is in force, which only the reader can tell.';
