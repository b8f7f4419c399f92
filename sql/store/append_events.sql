create function flywheel.append_events(incoming flywheel.incoming_event[], dedup_window interval)
returns setof flywheel.verdict
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The plan must not depend on what the tables held when it was made: always by index, always in the order of users.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
declare
  appended_at timestamptz;
begin
  -- Reserves a version for each event. One user's events commit in version order because the stream stays locked from
  -- here to the commit, and whatever is read about these users below is final. In order of users, so that two batches
  -- cannot deadlock. A lease or a wait after a failure stands: its end brings the worker back.
  insert into flywheel.streams as s (user_id, version, pending_since, available_at)
  select i.user_id, count(*), clock_timestamp(), clock_timestamp()
  from unnest(incoming) as i
  group by i.user_id
  order by i.user_id
  on conflict (user_id) do update
  set
    version = s.version + excluded.version,
    pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
    available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end;

  appended_at := clock_timestamp();

  return query
  with judged as materialized (
    select
      i.*,
      coalesce(i.event_id, gen_random_uuid()) as id,
      st.version - count(*) over (partition by i.user_id) as base,
      seen.first_id,
      case
        when e.event_hash <> i.fingerprint then 'rejected'
        when seen.first_id is not null then 'duplicate'
        when row_number() over (
          partition by i.user_id, i.fingerprint, e.event_hash is null, seen.first_id is null
          order by i.ord
        ) > 1 then 'duplicate'
        else 'accepted'
      end as status
    from unnest(incoming) as i
    join flywheel.streams as st
      on st.user_id = i.user_id
    left join public.phoenix_events as e
      on e.user_id = i.user_id and e.event_id = i.event_id
    -- With a publisher's time a fingerprint counts for ever, and the log remembers it; without, for the window.
    left join public.phoenix_events as same
      on same.user_id = i.user_id and same.event_hash = i.fingerprint and i."timestamp" is not null
    left join flywheel.fingerprints as f
      on f.user_id = i.user_id
      and f.fingerprint = i.fingerprint
      and i."timestamp" is null
      and f.seen_at > appended_at - dedup_window
    cross join lateral (
      select case
        when e.event_hash is null then coalesce(same.event_id, f.event_id)
        else i.event_id
      end as first_id
    ) as seen
  ),
  appended as (
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
    )
    select
      j.user_id,
      j.base + row_number() over (partition by j.user_id order by j.ord),
      j.id, j.event_type, j.app_source, j.payload, j.metadata,
      j.correlation_id, j.causation_id, j.session_id,
      coalesce(j."timestamp", appended_at),
      appended_at,
      j.fingerprint
    from judged as j
    where j.status = 'accepted'
  ),
  remembered as (
    insert into flywheel.fingerprints as f (user_id, fingerprint, event_id, seen_at)
    select distinct on (j.user_id, j.fingerprint)
      j.user_id, j.fingerprint, coalesce(j.first_id, j.id), appended_at
    from judged as j
    where j."timestamp" is null and j.status <> 'rejected'
    order by j.user_id, j.fingerprint, j.ord
    on conflict (user_id, fingerprint) do update
    set event_id = excluded.event_id, seen_at = excluded.seen_at
  ),
  -- What was reserved for events that were not appended is given back.
  given_back as (
    update flywheel.streams as s
    set
      version = s.version - n.surplus,
      available_at = case
        when s.attempts = 0 and s.version - n.surplus = s.processed_version then s.wake_at
        else s.available_at
      end
    from (
      select j.user_id, count(*) as surplus from judged as j where j.status <> 'accepted' group by j.user_id
    ) as n
    where s.user_id = n.user_id
  )
  select
    j.ord,
    case
      when j.status = 'duplicate' then coalesce(
        j.first_id,
        first_value(j.id) over (partition by j.user_id, j.fingerprint, j.status = 'rejected' order by j.ord)
      )
      else j.id
    end,
    j.status
  from judged as j;
end
$$;

comment on function flywheel.append_events(flywheel.incoming_event[], interval) is
  'Deduplicates and appends publications without issues, in their order; no two of them may share a user and an event_id. The streams stay locked until the transaction ends. Returns a verdict on each.';
