create function flywheel.mark_withdrawn(delivery_ids uuid[])
returns void
language sql
security definer
set search_path = ''
as $$
  delete from flywheel.withdrawals as w where w.delivery_id = any (delivery_ids) and w.is_repetition;

  update flywheel.withdrawals as w
  -- QStash may take longer to accept a delivery than the shortest lease lasts, and than anybody waits for it.
  set is_repetition = true, available_at = clock_timestamp() + greatest(s.lease_time, interval '5 minutes')
  from flywheel.settings as s
  where w.delivery_id = any (delivery_ids);
$$;

comment on function flywheel.mark_withdrawn(uuid[]) is
  'Remembers that QStash has forgotten these deliveries. It is to forget them once more when no deliverer can still be handing them over; after that they are deleted here, too.';
