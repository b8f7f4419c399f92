create table flywheel.doorbell (
  only_row boolean primary key default true check (only_row),
  rung_at timestamptz not null default '-infinity',
  latest_at timestamptz not null default '-infinity'
);

insert into flywheel.doorbell default values;

alter table flywheel.doorbell enable row level security;

comment on table flywheel.doorbell is 'When the doorbell last rang, so that a burst of publications rings once.';
comment on column flywheel.doorbell.only_row is 'Keeps the table to one row.';
comment on column flywheel.doorbell.rung_at is 'The last ring.';
comment on column flywheel.doorbell.latest_at is
  'The latest time of all rings. Later than now only where the clock was set back since: flywheel.mend_waits() looks.';
