create function flywheel.append_events(
  incoming flywheel.incoming_event[],
  dedup_window interval,
  received_at timestamptz
)
returns setof flywheel.verdict
language sql
set search_path = ''
as $$
  with sent as materialized (
    select
      i.*,
      coalesce(i.event_id, gen_random_uuid()) as id
    from unnest(incoming) as i
  ),
  judged as materialized (
    select
      s.*,
      st.version as base,
      case
        when e.event_hash is not null and e.event_hash <> s.fingerprint then 'rejected'
        when e.event_hash is not null then 'duplicate'
        when f.event_id is not null then 'duplicate'
        when row_number() over (
          partition by s.user_id, s.fingerprint, e.event_hash is null, f.event_id is null
          order by s.ord
        ) > 1 then 'duplicate'
        else 'accepted'
      end as verdict,
      case when e.event_hash is null then f.event_id else s.event_id end as first_id
    from sent as s
    join flywheel.streams as st
      on st.user_id = s.user_id
    left join public.phoenix_events as e
      on e.user_id = s.user_id and e.event_id = s.event_id
    left join flywheel.fingerprints as f
      on f.user_id = s.user_id
      and f.fingerprint = s.fingerprint
      and (f.permanent or f.seen_at > append_events.received_at - append_events.dedup_window)
  ),
  bumped as (
    update flywheel.streams as s
    set
      version = s.version + n.events,
      pending_since = case
        when s.version = s.processed_version then append_events.received_at
        else s.pending_since
      end,
      -- A lease or a wait after a failure stands; its end brings the worker back.
      available_at = case
        when s.attempts > 0 then s.available_at
        else append_events.received_at
      end
    from (
      select j.user_id, count(*) as events from judged as j where j.verdict = 'accepted' group by j.user_id
    ) as n
    where s.user_id = n.user_id
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
      coalesce(j."timestamp", append_events.received_at),
      append_events.received_at,
      j.fingerprint
    from judged as j
    where j.verdict = 'accepted'
  ),
  remembered as (
    insert into flywheel.fingerprints as f (user_id, fingerprint, event_id, seen_at, permanent)
    select distinct on (j.user_id, j.fingerprint)
      j.user_id, j.fingerprint, coalesce(j.first_id, j.id), append_events.received_at, j."timestamp" is not null
    from judged as j
    where j.verdict = 'accepted' or (j.verdict = 'duplicate' and j."timestamp" is null)
    order by j.user_id, j.fingerprint, j.ord
    on conflict (user_id, fingerprint) do update
    set event_id = excluded.event_id, seen_at = excluded.seen_at
  )
  select
    j.ord,
    case
      when j.verdict = 'duplicate' then coalesce(
        j.first_id,
        first_value(j.id) over (partition by j.user_id, j.fingerprint, j.verdict = 'rejected' order by j.ord)
      )
      else j.id
    end,
    j.verdict
  from judged as j
$$;

comment on function flywheel.append_events(flywheel.incoming_event[], interval, timestamptz) is
  'Deduplicates and appends publications without issues, in their order, to streams that the caller has locked; no two of them may share a user and an event_id. rejected: the event_id stands for another content.';
