create function flywheel.fail_delivery(owner uuid, delivery uuid, why text)
returns void
language sql
security definer
set search_path = ''
as $$
  update flywheel.deliveries as d
  set failed_at = clock_timestamp(), failure = left(why, 500), available_at = null
  where d.user_id = owner and d.delivery_id = delivery and d.delivered_at is null
$$;

comment on function flywheel.fail_delivery(uuid, uuid, text) is
  'Marks a delivery that QStash has given up, or refused. Its transition stays open: the app may still poll.';
