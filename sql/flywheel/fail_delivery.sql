create function flywheel.fail_delivery(owner uuid, delivery uuid, was_taken boolean, why text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  failed flywheel.deliveries;
  again_at timestamptz;
begin
  -- The app first, as flywheel.configure_app() locks it: otherwise a delivery that fails meanwhile might be made due again by neither.
  perform from flywheel.apps as a
  where a.app = (select d.app from flywheel.deliveries as d where d.user_id = owner and d.delivery_id = delivery)
  for share;
  select d.* into failed
  from flywheel.deliveries as d
  where d.user_id = owner and d.delivery_id = delivery
  for no key update;

  -- QStash may have given it up before its deliverer could say that QStash has it.
  if was_taken then
    failed.published_at := coalesce(failed.published_at, clock_timestamp());
  end if;

  -- A failure under an earlier configuration of the app says nothing about the present one.
  select flywheel.tell_again_at(failed) into again_at
  from flywheel.apps as a
  where a.app = failed.app
    and a.delivery_url is not null
    and a.configuration is distinct from failed.configuration;

  update flywheel.deliveries as d
  set
    available_at = again_at,
    configuration = case when again_at is null then d.configuration end,
    published_at = case when again_at is null then failed.published_at end,
    failed_at = case when again_at is null then clock_timestamp() end,
    failure = case when again_at is null then left(why, 500) end
  where d.user_id = owner and d.delivery_id = delivery and d.delivered_at is null;
end
$$;

comment on function flywheel.fail_delivery(uuid, uuid, boolean, text) is
  'Marks a delivery that QStash has given up (was_taken), or refused; where its app has been configured anew since it was handed over, it is due again as long as somebody waits for it. Its transition stays open: the app may still poll.';
