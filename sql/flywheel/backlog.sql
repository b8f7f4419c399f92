create view flywheel.backlog
with (security_invoker = true)
as
select s.*
from flywheel.streams as s
where s.version > s.processed_version
  and s.available_at <= (
    select statement_timestamp() + greatest(o.lease_time, o.backoff_max) from flywheel.settings as o
  );

comment on view flywheel.backlog is
  'Streams whose last events are not folded. They are due by the end of a lease or of a wait, which flywheel.shorten_waits() holds to the settings as they are; those beyond are many, and wait for a timer alone.';
