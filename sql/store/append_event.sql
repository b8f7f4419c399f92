create function flywheel.append_event(sent flywheel.incoming_event, dedup_window interval)
returns flywheel.verdict
language plpgsql
set search_path = ''
-- A plan that was made while the tables were empty would read them from end to end.
set enable_seqscan = off
as $$
declare
  reserved bigint;
  has_aliases boolean;
  appended_at timestamptz;
  told_at timestamptz;
  is_known boolean := false;
  verdict flywheel.verdict := row(sent.event_id, 'accepted');
begin
  if sent.issues <> '{}' then
    return null;
  end if;

  insert into flywheel.streams as s (user_id, version, pending_since, available_at, reached_at, latest_at)
  values (sent.user_id, 1, clock_timestamp(), clock_timestamp(), clock_timestamp(), sent."timestamp")
  on conflict (user_id) do update
  set
    version = s.version + 1,
    pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
    available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end,
    reached_at = case when s.reached_at < clock_timestamp() then clock_timestamp() else flywheel.received_after(s.reached_at) end,
    latest_at = greatest(s.latest_at, excluded.latest_at),
    latest_before = s.latest_at
  returning s.version, s.has_aliases, s.reached_at into reserved, has_aliases, appended_at;

  -- The dedup window is one of the clock's, which may have been set back since what was received before.
  told_at := clock_timestamp();
  if sent."timestamp" is null then
    is_known := exists (
      select from flywheel.fingerprints as f
      where f.user_id = sent.user_id
        and f.fingerprint = sent.fingerprint
        and f.seen_at > told_at - dedup_window
        -- What was seen later than that is from before the clock was set back.
        and f.seen_at < told_at + dedup_window
    );
  end if;

  -- Most events are new: one statement looks for the same one and appends.
  insert into public.phoenix_events (
    user_id, version, event_id, event_type, app_source, payload, metadata,
    correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
  )
  select
    sent.user_id, reserved, sent.event_id, sent.event_type, sent.app_source, sent.payload, sent.metadata,
    sent.correlation_id, sent.causation_id, sent.session_id, coalesce(sent."timestamp", appended_at), appended_at,
    sent.fingerprint
  where not is_known
    and not exists (
      select from public.phoenix_events as e
      where e.user_id = sent.user_id and e.event_id = sent.event_id
    )
    and not (has_aliases and flywheel.knows_alias(sent.user_id, array[sent.event_id]))
    and not exists (
      select from public.phoenix_events as e
      where e.user_id = sent.user_id
        and e."timestamp" = sent."timestamp"
        and substring(e.event_hash, 1, 4) = substring(sent.fingerprint, 1, 4)
        and e.event_hash = sent.fingerprint
    );

  if not found then
    verdict := (flywheel.judge(array[sent], told_at, dedup_window))[1];

    -- What was reserved is given back.
    update flywheel.streams as s
    set
      version = s.version - 1,
      available_at = case
        when s.attempts = 0 and s.version - 1 = s.processed_version then s.wake_at
        else s.available_at
      end
    where s.user_id = sent.user_id;

    perform flywheel.remember_aliases(array[sent], array[verdict]);
  end if;

  if sent."timestamp" is null and verdict.status <> 'rejected' then
    insert into flywheel.fingerprints as f (user_id, fingerprint, event_id, seen_at)
    values (sent.user_id, sent.fingerprint, verdict.event_id, told_at)
    on conflict (user_id, fingerprint) do update
    set event_id = excluded.event_id, seen_at = excluded.seen_at;
  end if;

  return verdict;
end
$$;

comment on function flywheel.append_event(flywheel.incoming_event, interval) is
  'flywheel.append() for one publication, in few statements, each of which costs more to start than to run.';
