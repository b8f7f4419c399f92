create function flywheel.remember_settings()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  insert into flywheel.settings_changes (changed_at, reactor_settings)
  values (clock_timestamp(), new.reactor_settings);
  return null;
end
$$;

comment on function flywheel.remember_settings() is 'Notes a change of the reactors'' settings and when it was made.';

create trigger remember_settings
after update of reactor_settings on flywheel.settings
for each row
when (old.reactor_settings is distinct from new.reactor_settings)
execute function flywheel.remember_settings();

comment on trigger remember_settings on flywheel.settings is
  'The reactors'' settings have a history, since a replay needs those of each event''s day.';
