create function flywheel.stay(token uuid)
returns void
language plpgsql
security definer
set search_path = ''
as $$
begin
  update flywheel.worker_slots as w
  set expires_at = clock_timestamp() + s.lease_time
  from flywheel.settings as s
  where w.token = stay.token;
end
$$;

comment on function flywheel.stay(uuid) is
  'Says that the worker in this slot is alive: the slot stays its own for another settings.lease_time.';
