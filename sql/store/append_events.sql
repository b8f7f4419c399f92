create function flywheel.append_events(incoming flywheel.incoming_event[], dedup_window interval)
returns flywheel.verdict[]
language plpgsql
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The plan must not depend on what the tables held when it was made: always by index, always in the order of users.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
-- What is switched off counts as so dear that compiling would seem to pay.
set jit = off
as $$
#variable_conflict use_column
declare
  is_entangled boolean;
  has_untimed boolean;
  has_surplus boolean;
  heads bigint[];
  counts bigint[];
  appended_at timestamptz;
  verdicts flywheel.verdict[] := '{}';
  place integer;
begin
  select count(distinct i.fingerprint) < count(*) or count(distinct i.event_id) < count(i.event_id)
  into is_entangled
  from (
    select (incoming[p]).fingerprint, (incoming[p]).event_id
    from generate_subscripts(incoming, 1) as p
  ) as i;

  if is_entangled then
    -- What becomes of the second of two like events depends on the first, so each waits for the one before. In order of
    -- users, so that two batches cannot deadlock.
    for place in
      select p from generate_subscripts(incoming, 1) as p order by (incoming[p]).user_id, p
    loop
      verdicts[place] := flywheel.append_event(incoming[place], dedup_window);
    end loop;
    return verdicts;
  end if;

  -- Reserves a version for each event. One user's events commit in version order because the stream stays locked from
  -- here to the commit, and whatever is read about these users below is final. In order of users, so that two batches
  -- cannot deadlock. A lease or a wait after a failure stands: its end brings the worker back.
  with owners as materialized (
    select i.user_id, count(*) as events
    from (
      select (incoming[p]).user_id
      from generate_subscripts(incoming, 1) as p
    ) as i
    group by i.user_id
    order by i.user_id
  ),
  reserved as (
    insert into flywheel.streams as s (user_id, version, pending_since, available_at)
    select o.user_id, o.events, clock_timestamp(), clock_timestamp()
    from owners as o
    order by o.user_id
    on conflict (user_id) do update
    set
      version = s.version + excluded.version,
      pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
      available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end
    returning s.user_id, s.version
  )
  select
    (select array_agg(r.version order by r.user_id) from reserved as r),
    (select array_agg(o.events order by o.user_id) from owners as o)
  into heads, counts;

  appended_at := clock_timestamp();

  -- What is sorted, numbered and joined is narrow; payloads stay in the array until their row is written.
  with judged as (
    select
      i.place,
      i.user_id,
      i."timestamp" is null as is_untimed,
      coalesce(i.event_id, gen_random_uuid()) as id,
      case
        when e.event_hash is null then coalesce(same.event_id, f.event_id)
        else i.event_id
      end as first_id,
      case
        when e.event_hash <> i.fingerprint then 'rejected'
        when coalesce(e.event_id, same.event_id, f.event_id) is not null then 'duplicate'
        else 'accepted'
      end as status
    from (
      select
        p as place, (incoming[p]).user_id, (incoming[p]).event_id, (incoming[p])."timestamp", (incoming[p]).fingerprint
      from generate_subscripts(incoming, 1) as p
      offset 0
    ) as i
    left join public.phoenix_events as e
      on e.user_id = i.user_id and e.event_id = i.event_id
    -- With a publisher's time a fingerprint counts for ever, and the log remembers it; without, for the window.
    left join public.phoenix_events as same
      on same."timestamp" = i."timestamp" and same.user_id = i.user_id and same.event_hash = i.fingerprint
    left join flywheel.fingerprints as f
      on f.user_id = i.user_id
      and f.fingerprint = case when i."timestamp" is null then i.fingerprint end
      and f.seen_at > appended_at - dedup_window
  ),
  -- A user's place among the users of the batch is the place of their head and count.
  numbered as materialized (
    select
      j.*,
      dense_rank() over (order by j.user_id) as owner,
      count(*) filter (where j.status = 'accepted') over (partition by j.user_id order by j.place) as nth
    from judged as j
  ),
  appended as (
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
    )
    select
      n.user_id, heads[n.owner] - counts[n.owner] + n.nth, n.id,
      (incoming[n.place]).event_type, (incoming[n.place]).app_source,
      (incoming[n.place]).payload, (incoming[n.place]).metadata,
      (incoming[n.place]).correlation_id, (incoming[n.place]).causation_id, (incoming[n.place]).session_id,
      coalesce((incoming[n.place])."timestamp", appended_at), appended_at, (incoming[n.place]).fingerprint
    from numbered as n
    where n.status = 'accepted'
  )
  select
    array_agg(
      row(case when n.status = 'duplicate' then n.first_id else n.id end, n.status)::flywheel.verdict
      order by n.place
    ),
    bool_or(n.is_untimed and n.status <> 'rejected'),
    bool_or(n.status <> 'accepted')
  into verdicts, has_untimed, has_surplus
  from numbered as n;

  if has_untimed then
    insert into flywheel.fingerprints as f (user_id, fingerprint, event_id, seen_at)
    select (incoming[p]).user_id, (incoming[p]).fingerprint, (verdicts[p]).event_id, appended_at
    from generate_subscripts(incoming, 1) as p
    where (incoming[p])."timestamp" is null and (verdicts[p]).status <> 'rejected'
    order by (incoming[p]).user_id
    on conflict (user_id, fingerprint) do update
    set event_id = excluded.event_id, seen_at = excluded.seen_at;
  end if;

  if has_surplus then
    -- What was reserved for events that were not appended is given back: to rows that are there, and as an insert all the
    -- same, since that finds each by its key and in no other way.
    insert into flywheel.streams as s (user_id, version)
    select i.user_id, count(*)
    from (
      select (incoming[p]).user_id
      from generate_subscripts(incoming, 1) as p
      where (verdicts[p]).status <> 'accepted'
    ) as i
    group by i.user_id
    order by i.user_id
    on conflict (user_id) do update
    set
      version = s.version - excluded.version,
      available_at = case
        when s.attempts = 0 and s.version - excluded.version = s.processed_version then s.wake_at
        else s.available_at
      end;
  end if;

  -- Nothing was sent where all that was to be told is left out.
  return coalesce(verdicts, '{}');
end
$$;

comment on function flywheel.append_events(flywheel.incoming_event[], interval) is
  'Deduplicates and appends publications without issues, in their order for each user. The streams stay locked until the transaction ends. Returns a verdict on each, in the order given.';
