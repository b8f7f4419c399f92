create table flywheel.states (
  user_id uuid primary key,
  shape text not null,
  state json not null
)
with (
  fillfactor = 70,
  toast_tuple_target = 8160,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

alter table flywheel.states enable row level security;

comment on table flywheel.states is
  'The fold so far, one row a user. Apart from streams, so that publishing never copies it.';
comment on column flywheel.states.user_id is 'The stream''s owner.';
comment on column flywheel.states.shape is
  'The versions of the reactors, and of the counting, that wrote the state; a state of another shape is folded anew from the first event.';
comment on column flywheel.states.state is 'What each reactor remembers, by reactor name. It is written and read whole, so it is kept as the text it came as; what fits a page is not compressed.';
