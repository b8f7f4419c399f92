create table flywheel.rollups (
  figure text not null,
  day date not null,
  app_source text not null,
  key text not null,
  count bigint not null,
  users bigint not null,
  total numeric not null,
  primary key (figure, day, app_source, key)
)
with (fillfactor = 70);

alter table flywheel.rollups enable row level security;

comment on table flywheel.rollups is
  'What the analysts'' figures are added up from, so that none of them reads the log. flywheel.figures() defines each figure; flywheel.current_rollups adds what is not merged yet.';
comment on column flywheel.rollups.figure is 'What is counted, such as event or last_event.';
comment on column flywheel.rollups.day is 'The UTC day on which it happened; for figures by week, the week''s Monday.';
comment on column flywheel.rollups.app_source is 'The app; empty for figures that are not counted by app, or over all apps.';
comment on column flywheel.rollups.key is 'What else the figure is counted by, such as the event''s type; empty where there is nothing.';
comment on column flywheel.rollups.count is 'How many.';
comment on column flywheel.rollups.users is 'Of how many users, where the figure says so.';
comment on column flywheel.rollups.total is 'A sum in microseconds, cents or hundredths, where the figure has one.';
