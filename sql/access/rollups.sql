-- A view with its caller's rights needs them on the tables behind it; row-level security says whose rows they are.
grant select on
  flywheel.rollups,
  flywheel.rollup_increments,
  flywheel.pending_rollups,
  flywheel.current_rollups,
  flywheel.event_rollups
to authenticated, phoenix_analyst;

-- No rollup is a user's own: authenticated has no policy, and sees no row.
create policy "Analysts read the rollups" on flywheel.rollups
for select to phoenix_analyst
using (true);

create policy "Analysts read what is not merged yet" on flywheel.rollup_increments
for select to phoenix_analyst
using (true);
