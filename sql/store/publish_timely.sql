create function flywheel.publish_timely(events text, owner uuid)
returns boolean
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  list jsonb;
  sent integer;
  event flywheel.envelope;
  earliest timestamptz;
  latest timestamptz;
  reserved bigint;
  appended_at timestamptz;
begin
  list := events::jsonb;
  sent := jsonb_array_length(list);
  event := jsonb_populate_record(null::flywheel.envelope, list -> 0);
  earliest := event."timestamp";
  latest := case when sent = 1 then earliest else (list -> -1 ->> 'timestamp')::timestamptz end;

  insert into flywheel.streams as s (user_id, version, pending_since, available_at, latest_at)
  select owner, sent, clock_timestamp(), clock_timestamp(), latest
  from flywheel.settings as g
  where sent <= g.max_batch_events
    and octet_length(events) <= g.max_batch_bytes
    and latest <= clock_timestamp() + g.future_tolerance
  on conflict (user_id) do update
  set
    version = s.version + excluded.version,
    pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
    available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end,
    latest_at = excluded.latest_at,
    latest_before = s.latest_at
  where earliest > s.latest_at
  returning s.version, clock_timestamp() into reserved, appended_at;

  if reserved is null then
    return false;
  end if;

  -- One event is what is published most, and a row starts faster than a query.
  if sent = 1 then
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
    )
    values (
      owner, reserved, event.event_id, event.event_type, event.app_source, event.payload, coalesce(event.metadata, '{}'),
      event.correlation_id, event.causation_id, event.session_id, event."timestamp", appended_at,
      sha256(
        convert_to(
          concat_ws(chr(31), owner, event.event_type, event.app_source, event.payload, extract(epoch from event."timestamp")),
          'UTF8'
        )
      )
    );
    return true;
  end if;

  insert into public.phoenix_events (
    user_id, version, event_id, event_type, app_source, payload, metadata,
    correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
  )
  select
    owner, reserved - sent + e.place, e.event_id, e.event_type, e.app_source, e.payload, coalesce(e.metadata, '{}'),
    e.correlation_id, e.causation_id, e.session_id, e."timestamp", appended_at,
    sha256(
      convert_to(
        concat_ws(chr(31), owner, e.event_type, e.app_source, e.payload, extract(epoch from e."timestamp")), 'UTF8'
      )
    )
  from rows from (
    jsonb_to_recordset(list) as (
      event_id uuid, event_type text, app_source text, payload jsonb, metadata jsonb,
      correlation_id text, causation_id text, session_id text, "timestamp" timestamptz
    )
  ) with ordinality as e (
    event_id, event_type, app_source, payload, metadata, correlation_id, causation_id, session_id, "timestamp", place
  );
  return true;
exception
  when unique_violation or data_exception then
    return false;
end
$$;

comment on function flywheel.publish_timely(text, uuid) is
  'flywheel.publish() for what apps send most, and as they send it: plain events of one user, in order. events: a JSON list, as text, of events of which shared/domain/events/plain-event.ts says that flywheel.envelope_issues() finds nothing in them, each with an event_id and a timestamp, each later than the one before. Where the first is later than all that the log has of this user, none of them can be there yet, unless under its event_id, which is found out: then it appends them all and returns true. Else, and where they are more than the settings allow, it appends nothing and returns false, and flywheel.publish() has to look closer.';
