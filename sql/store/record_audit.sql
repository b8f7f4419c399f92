create function flywheel.record_audit(action text, subject uuid, details jsonb)
returns void
language sql
set search_path = ''
as $$
  insert into flywheel.audit (action, subject_hash, by_role, details)
  values (
    record_audit.action,
    sha256(convert_to(record_audit.subject::text, 'UTF8')),
    -- The role that was assumed, not the definer of the function that asks.
    coalesce(nullif(current_setting('role', true), 'none'), session_user),
    record_audit.details
  )
$$;

comment on function flywheel.record_audit(text, uuid, jsonb) is 'Leaves an audit entry about what was done to a user''s data.';
