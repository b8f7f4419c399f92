create function flywheel.publish_timely_streams(events text, largest integer default null)
returns boolean
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  list jsonb;
  sent integer;
  appended integer;
begin
  list := events::jsonb;
  sent := jsonb_array_length(list);

  with told as materialized (
    select (e.event ->> 0)::uuid as user_id, (e.event ->> 5)::timestamptz as told_at, e.*
    from jsonb_array_elements(list) with ordinality as e (event, place)
  ),
  -- In order of users, as every publication locks, so that two cannot deadlock. latest_before carries the earliest time, for the
  -- comparison with an old row; in a new one it stays and means nothing.
  reserved as (
    insert into flywheel.streams as s (user_id, version, pending_since, available_at, reached_at, latest_at, latest_before)
    select o.user_id, o.events, clock_timestamp(), clock_timestamp(), clock_timestamp(), o.latest, o.earliest
    from (
      select t.user_id, count(*) as events, max(t.told_at) as latest, min(t.told_at) as earliest
      from told as t
      group by t.user_id
    ) as o
    cross join flywheel.settings as g
    where sent <= g.max_batch_events
      and coalesce(largest, octet_length(publish_timely_streams.events)) <= g.max_batch_bytes
      and o.latest <= clock_timestamp() + g.future_tolerance
    order by o.user_id
    on conflict (user_id) do update
    set
      version = s.version + excluded.version,
      pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
      available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end,
      reached_at = case when s.reached_at < clock_timestamp() then clock_timestamp() else flywheel.received_after(s.reached_at) end,
      latest_at = excluded.latest_at,
      latest_before = s.latest_at
    where excluded.latest_before > s.latest_at
    returning s.user_id, s.version, s.has_aliases, s.reached_at as appended_at
  )
  insert into public.phoenix_events (
    user_id, version, event_id, event_type, app_source, payload, metadata,
    correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
  )
  select
    n.user_id, r.version - n.behind, (n.event ->> 1)::uuid, n.event ->> 2, n.event ->> 3, n.event -> 4,
    coalesce(n.event -> 6, '{}'), n.event ->> 7, n.event ->> 8, n.event ->> 9, n.told_at, r.appended_at,
    sha256(
      convert_to(
        concat_ws(chr(31), n.user_id, n.event ->> 2, n.event ->> 3, n.event -> 4, extract(epoch from n.told_at)), 'UTF8'
      )
    )
  from (
    select t.*, row_number() over (partition by t.user_id order by t.place desc) - 1 as behind
    from told as t
  ) as n
  join reserved as r on r.user_id = n.user_id
  where not (r.has_aliases and flywheel.knows_alias(n.user_id, array[(n.event ->> 1)::uuid]));
  get diagnostics appended = row_count;

  if appended < sent then
    raise sqlstate 'PT409';
  end if;
  return true;
exception
  when unique_violation or sqlstate 'PT409' then
    return false;
end
$$;

comment on function flywheel.publish_timely_streams(text, integer) is
  'flywheel.publish_timely() for events of several users, mixed: appends all and returns true, or nothing and returns false.';
