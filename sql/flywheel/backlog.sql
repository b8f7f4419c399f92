create view flywheel.backlog
with (security_invoker = true)
as
select s.*
from flywheel.streams as s
where s.version > s.processed_version
  and s.available_at <= (
    -- Not statement_timestamp(): a lease or a wait may have begun since.
    select clock_timestamp() + greatest(o.lease_time, o.backoff_max) from flywheel.settings as o
  );

comment on view flywheel.backlog is
  'Streams with events that are not folded. Each is due within a lease time or the longest wait from now, to which flywheel.bound_waits() holds them; the many that are due later wait for a timer alone, and need not be read.';
