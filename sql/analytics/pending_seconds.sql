create view flywheel.pending_seconds
with (security_invoker = true)
as
select p.increment_id, p.figure, p.day, p.app_source, p.key, s.second, s.is_remembered
from flywheel.pending_rollups as p
cross join lateral (
  select e.value::integer as second, true as is_remembered from jsonb_array_elements_text(p.remembered) as e
  union all
  select e.value::integer, false from jsonb_array_elements_text(p.forgotten) as e
) as s
where p.remembered is not null;

comment on view flywheel.pending_seconds is
  'The durations in flywheel.pending_rollups, a row each: to remember, or to forget.';
