create table flywheel.durations (
  figure text not null,
  day date not null,
  app_source text not null,
  key text not null,
  span integer not null,
  seconds integer[] not null,
  times integer[] not null,
  count bigint not null generated always as (flywheel.sum_of(times)) stored,
  primary key (figure, day, app_source, key, span)
)
with (fillfactor = 70);

alter table flywheel.durations enable row level security;

comment on table flywheel.durations is
  'The durations of those figures of flywheel.rollups that have percentiles: a row for each span of seconds, so that neither one more duration nor a percentile costs what all of them would.';
comment on column flywheel.durations.figure is 'The figure, as in flywheel.rollups.';
comment on column flywheel.durations.day is 'Its day.';
comment on column flywheel.durations.app_source is 'Its app.';
comment on column flywheel.durations.key is 'Its key.';
comment on column flywheel.durations.span is 'Which span: the whole part of four times the natural logarithm of its seconds and one, so that there are 37 from a minute to a week, and a percentile looks into few.';
comment on column flywheel.durations.seconds is 'The durations in it, each once, in ascending order.';
comment on column flywheel.durations.times is 'How often each of them is there.';
comment on column flywheel.durations.count is 'How many these are.';
