create function flywheel.fail_delivery(owner uuid, delivery uuid, why text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  again_at timestamptz;
begin
  -- The app first, as flywheel.configure_app() locks it: otherwise a delivery that fails meanwhile might be made due again by neither.
  perform from flywheel.apps as a
  where a.app = (select d.app from flywheel.deliveries as d where d.user_id = owner and d.delivery_id = delivery)
  for share;
  perform from flywheel.deliveries as d where d.user_id = owner and d.delivery_id = delivery for no key update;

  -- A failure under an earlier configuration of the app says nothing about the present one.
  select flywheel.tell_again_at(d) into again_at
  from flywheel.deliveries as d
  join flywheel.apps as a on a.app = d.app
  where d.user_id = owner
    and d.delivery_id = delivery
    and a.delivery_url is not null
    and a.configuration <> d.configuration;

  update flywheel.deliveries as d
  set
    available_at = again_at,
    published_at = case when again_at is null then d.published_at end,
    failed_at = case when again_at is null then clock_timestamp() end,
    failure = case when again_at is null then left(why, 500) end
  where d.user_id = owner and d.delivery_id = delivery and d.delivered_at is null;
end
$$;

comment on function flywheel.fail_delivery(uuid, uuid, text) is
  'Marks a delivery that QStash has given up, or refused; where its app has been configured anew since it was handed over, it is due again as long as somebody waits for it. Its transition stays open: the app may still poll.';
