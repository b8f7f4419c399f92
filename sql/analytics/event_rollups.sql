create view flywheel.event_rollups
-- Some figures have as their key what users wrote, such as a job. A barrier, so that a query's own function is never asked about those rows.
with (security_invoker = true, security_barrier = true)
as
select r.figure, r.day, r.app_source, r.key, r.count, r.users, r.total
from flywheel.current_rollups as r
where r.figure in ('event', 'first_event');

comment on view flywheel.event_rollups is
  'Of the current rollups those whose key is a type of events. A query''s own conditions are not evaluated on any other row.';
