create function flywheel.remember_settings()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- Waits for every lease that has not seen the change, and holds up every other: what the first read was received before it, what
  -- the others read, after.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.settings_changes', 0));
  insert into flywheel.settings_changes (changed_at, reactor_settings)
  -- Later than every other, even where the clock was set back: the last change is the one that stays.
  select greatest(clock_timestamp(), max(c.changed_at) + interval '1 microsecond'), new.reactor_settings
  from flywheel.settings_changes as c;
  return null;
end
$$;

comment on function flywheel.remember_settings() is 'Notes a change of the reactors'' settings and when it was made, which is when it is committed: until then nobody folds by it. Leases wait for that commit alone.';

create constraint trigger remember_settings
after update of reactor_settings on flywheel.settings
deferrable initially deferred
for each row
when (old.reactor_settings is distinct from new.reactor_settings)
execute function flywheel.remember_settings();

comment on trigger remember_settings on flywheel.settings is
  'The reactors'' settings have a history, since a replay needs those of each event''s day.';
