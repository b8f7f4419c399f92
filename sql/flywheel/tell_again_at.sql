create function flywheel.tell_again_at(delivery flywheel.deliveries)
returns timestamptz
language sql
set search_path = ''
as $$
  select case
    when delivery.published_at is null then coalesce(delivery.available_at, clock_timestamp())
    -- Sooner, QStash would take it for what it had already.
    else least(delivery.published_at, clock_timestamp()) + interval '10 minutes'
  end
  where case delivery.kind
    when 'notification' then delivery.published_at is null
    else exists (
      select from public.phoenix_transitions as t
      where t.user_id = delivery.user_id
        and t.transition_id = delivery.transition_id
        and t.status = 'requested'
        and t.expires_at > clock_timestamp()
    )
  end
$$;

comment on function flywheel.tell_again_at(flywheel.deliveries) is
  'When an app that was configured anew can be told what failed before. Null where nobody waits for it: a transition that is not open any more, or a notification that QStash had.';
