create view flywheel.current_rollups
with (security_invoker = true)
as
select r.figure, r.day, r.app_source, r.key, r.count, r.users, r.total
from flywheel.rollups as r
union all
select p.figure, p.day, p.app_source, p.key, p.count, p.users, p.total
from flywheel.pending_rollups as p;

comment on view flywheel.current_rollups is
  'The rollups up to the last commit. The same figure may stand in several rows, one of them negative: readers add them up.';
