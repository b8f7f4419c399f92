create table flywheel.pruning (
  only_row boolean primary key default true check (only_row),
  pruned_at timestamptz not null default '-infinity'
);

insert into flywheel.pruning default values;

alter table flywheel.pruning enable row level security;

comment on table flywheel.pruning is 'When the last old fingerprint was pruned, so that pruning then rests for a while.';
comment on column flywheel.pruning.only_row is 'Keeps the table to one row.';
comment on column flywheel.pruning.pruned_at is 'When nothing was left to prune. Later than now only where the clock was set back since: flywheel.mend_waits() looks.';
