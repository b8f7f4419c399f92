create function flywheel.mark_attempted(owner uuid, delivery uuid)
returns void
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  update flywheel.deliveries as d
  set
    published_at = clock_timestamp(),
    available_at = clock_timestamp() + s.delivery_patience
  from flywheel.settings as s
  where d.user_id = owner
    and d.delivery_id = delivery
    and d.available_at is not null
    -- Where it is null, the delivery is to be told anew, which an earlier attempt does not put off, or is just being handed over, and
    -- its deliverer marks it.
    and d.published_at is not null;
end
$$;

comment on function flywheel.mark_attempted(uuid, uuid) is
  'QStash has tried to deliver this, and will try again: it is looked at again only where QStash stays silent for settings.delivery_patience from now on.';
