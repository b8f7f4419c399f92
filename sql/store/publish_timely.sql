create function flywheel.publish_timely(events text, largest integer default null)
returns boolean
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  list jsonb;
  event jsonb;
  owner uuid;
  sent integer;
  earliest timestamptz;
  latest timestamptz;
  reserved bigint;
  appended_at timestamptz;
  has_aliases boolean;
  is_known boolean := false;
begin
  list := events::jsonb;
  sent := jsonb_array_length(list);
  event := list -> 0;
  owner := event ->> 0;
  earliest := event ->> 5;
  latest := list -> -1 ->> 5;

  insert into flywheel.streams as s (user_id, version, pending_since, available_at, reached_at, latest_at)
  select owner, sent, clock_timestamp(), clock_timestamp(), clock_timestamp(), latest
  from flywheel.settings as g
  where sent <= g.max_batch_events
    and coalesce(largest, octet_length(events)) <= g.max_batch_bytes
    and latest <= clock_timestamp() + g.future_tolerance
  on conflict (user_id) do update
  set
    version = s.version + excluded.version,
    pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
    available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end,
    reached_at = case when s.reached_at < clock_timestamp() then clock_timestamp() else flywheel.received_after(s.reached_at) end,
    latest_at = excluded.latest_at,
    latest_before = s.latest_at
  where earliest > s.latest_at
  returning s.version, s.reached_at, s.has_aliases into reserved, appended_at, has_aliases;

  if reserved is null then
    return false;
  end if;

  -- By itself: as part of a condition it would be a query, even where there are no aliases.
  if has_aliases then
    is_known := flywheel.knows_alias(
      owner, array(select (e.event ->> 1)::uuid from jsonb_array_elements(list) as e (event))
    );
  end if;

  if is_known then
    -- Not for this way.
    null;
  elsif sent = 1 then
    -- Most publications are one event: "values" and "on conflict" start faster than a query and a savepoint.
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
    )
    values (
      owner, reserved, (event ->> 1)::uuid, event ->> 2, event ->> 3, event -> 4, coalesce(event -> 6, '{}'),
      event ->> 7, event ->> 8, event ->> 9, latest, appended_at,
      sha256(
        convert_to(concat_ws(chr(31), owner, event ->> 2, event ->> 3, event -> 4, extract(epoch from latest)), 'UTF8')
      )
    )
    on conflict (user_id, event_id) do nothing;
    if found then
      return true;
    end if;
  else
    begin
      insert into public.phoenix_events (
        user_id, version, event_id, event_type, app_source, payload, metadata,
        correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
      )
      select
        owner, reserved - sent + t.place, (t.event ->> 1)::uuid, t.event ->> 2, t.event ->> 3, t.event -> 4,
        coalesce(t.event -> 6, '{}'), t.event ->> 7, t.event ->> 8, t.event ->> 9, t.told_at, appended_at,
        sha256(
          convert_to(
            concat_ws(chr(31), owner, t.event ->> 2, t.event ->> 3, t.event -> 4, extract(epoch from t.told_at)), 'UTF8'
          )
        )
      from (
        select e.*, (e.event ->> 5)::timestamptz as told_at
        from jsonb_array_elements(list) with ordinality as e (event, place)
      ) as t;
      return true;
    exception
      when unique_violation then
        null;
    end;
  end if;

  -- What was reserved is given back.
  update flywheel.streams as s
  set
    version = s.version - sent,
    latest_at = s.latest_before,
    available_at = case
      when s.attempts = 0 and s.version - sent = s.processed_version then s.wake_at
      else s.available_at
    end
  where s.user_id = owner;
  return false;
end
$$;

comment on function flywheel.publish_timely(text, integer) is
  'flywheel.publish() for what apps send most, and as they send it: plain events of one user, in order. events: a JSON list, as text, of [ user_id, event_id, event_type, app_source, payload, timestamp, metadata?, correlation_id?, causation_id?, session_id? ], each later than the one before, in all of which shared/domain/events/plain-event.ts says that flywheel.envelope_issues() would find nothing. largest: how many bytes the largest of their publications was sent in; null where events is one publication as it was sent. If the first is later than all that the log has of this user, and none of their event_ids is known, it appends them all and returns true. Otherwise, or where they are more than the settings allow, it appends nothing and returns false, and flywheel.publish() has to look closer.';
