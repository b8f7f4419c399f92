create view flywheel.pending_rollups
with (security_invoker = true)
as
select
  i.increment_id,
  r.value ->> 0 as figure,
  date '1970-01-01' + (r.value ->> 1)::integer as day,
  r.value ->> 2 as app_source,
  r.value ->> 3 as key,
  (r.value ->> 4)::bigint as count,
  (r.value ->> 5)::bigint as users,
  trim_scale((r.value ->> 6)::numeric) as total,
  r.value -> 7 as remembered,
  r.value -> 8 as forgotten
from flywheel.rollup_increments as i
cross join lateral jsonb_array_elements(i.increments::jsonb) as r;

comment on view flywheel.pending_rollups is
  'What commits have added to the rollups and is not merged yet, a row a figure; remembered and forgotten are arrays of seconds, or null.';
