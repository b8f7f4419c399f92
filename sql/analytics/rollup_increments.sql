create table flywheel.rollup_increments (
  increment_id bigint generated always as identity primary key,
  increments text not null
)
with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);

-- Rows live for seconds: compressing them costs more than it saves.
alter table flywheel.rollup_increments alter column increments set storage external;

alter table flywheel.rollup_increments enable row level security;

comment on table flywheel.rollup_increments is
  'What commits added to the rollups, a row a commit, until flywheel.merge_rollups() adds it up: no two commits ever write the same row.';
comment on column flywheel.rollup_increments.increment_id is 'Which one.';
comment on column flywheel.rollup_increments.increments is
  'A JSON array of [ figure, day (days since 1970), app_source, key, count, users, total ], with two arrays of seconds, to remember and to forget, where there are any.';
