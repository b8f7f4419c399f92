create view flywheel.pending_durations
with (security_invoker = true)
as
select
  p.increment_id,
  p.figure,
  p.day,
  p.app_source,
  p.key,
  floor(4 * ln(s.second::double precision + 1))::integer as span,
  s.second,
  s.times
from flywheel.pending_rollups as p
cross join lateral (
  select e.value::integer as second, 1 as times from jsonb_array_elements_text(p.remembered) as e
  union all
  select e.value::integer, -1 from jsonb_array_elements_text(p.forgotten) as e
) as s
where p.remembered is not null;

comment on view flywheel.pending_durations is
  'The durations in flywheel.pending_rollups, a row each: times is 1 for one to remember, -1 for one to forget.';
