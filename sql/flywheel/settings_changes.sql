create table flywheel.settings_changes (
  changed_at timestamptz primary key,
  reactor_settings jsonb not null
);

insert into flywheel.settings_changes (changed_at, reactor_settings)
select '-infinity', s.reactor_settings from flywheel.settings as s;

alter table flywheel.settings_changes enable row level security;

comment on table flywheel.settings_changes is
  'What settings.reactor_settings has been and from when on, so that a replay folds each event by the settings of its day.';
comment on column flywheel.settings_changes.changed_at is 'From when it counts; -infinity for what was there first.';
comment on column flywheel.settings_changes.reactor_settings is 'What settings.reactor_settings became.';
