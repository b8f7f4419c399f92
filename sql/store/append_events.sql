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
-- What is switched off counts as so expensive that compiling would seem to pay.
set jit = off
as $$
#variable_conflict use_column
declare
  is_timely boolean;
  has_untimed boolean;
  has_surplus boolean;
  heads bigint[];
  receipts timestamptz[];
  befores timestamptz[];
  counts bigint[];
  earliests timestamptz[];
  appended_at timestamptz;
  have_aliases boolean;
  verdicts flywheel.verdict[] := '{}';
begin
  -- Reserves a version for each event. One user's events commit in version order because the stream stays locked from
  -- here to the commit, and whatever is read about these users below is final. In order of users, so that two batches
  -- cannot deadlock. A lease or a wait after a failure stands: its end brings the worker back.
  with owners as materialized (
    select
      i.user_id,
      count(*) as events,
      case when count(i."timestamp") = count(*) then min(i."timestamp") end as earliest,
      max(i."timestamp") as latest
    from (
      select (incoming[p]).user_id, (incoming[p])."timestamp"
      from generate_subscripts(incoming, 1) as p
    ) as i
    group by i.user_id
    order by i.user_id
  ),
  reserved as (
    insert into flywheel.streams as s (user_id, version, pending_since, available_at, reached_at, latest_at)
    select o.user_id, o.events, clock_timestamp(), clock_timestamp(), clock_timestamp(), o.latest
    from owners as o
    order by o.user_id
    on conflict (user_id) do update
    set
      version = s.version + excluded.version,
      pending_since = case when s.version = s.processed_version then clock_timestamp() else s.pending_since end,
      available_at = case when s.attempts > 0 then s.available_at else least(s.available_at, clock_timestamp()) end,
      reached_at = case when s.reached_at < clock_timestamp() then clock_timestamp() else flywheel.received_after(s.reached_at) end,
      latest_at = greatest(s.latest_at, excluded.latest_at),
      latest_before = s.latest_at
    returning s.user_id, s.version, s.reached_at, s.latest_before, s.has_aliases
  )
  select r.heads, r.receipts, r.befores, r.have_aliases, o.counts, o.earliests
  into heads, receipts, befores, have_aliases, counts, earliests
  from
    (
      select
        array_agg(r.version order by r.user_id) as heads,
        array_agg(r.reached_at order by r.user_id) as receipts,
        array_agg(r.latest_before order by r.user_id) as befores,
        bool_or(r.has_aliases) as have_aliases
      from reserved as r
    ) as r,
    (
      select array_agg(o.events order by o.user_id) as counts, array_agg(o.earliest order by o.user_id) as earliests
      from owners as o
    ) as o;

  appended_at := clock_timestamp();

  -- An event that is later than all that the log has of its user cannot be there yet, unless under its event_id: then the insert
  -- below fails. Where any of the users has aliases, every event is looked up.
  is_timely := not have_aliases and (
    select bool_and(coalesce(o.earliest > case when o.head = o.events then '-infinity' else o.before end, false))
    from unnest(heads, counts, befores, earliests) as o (head, events, before, earliest)
  );
  loop
    begin
      if not is_timely then
        verdicts := flywheel.judge(incoming, appended_at, dedup_window);
      end if;
      -- What is sorted and numbered is narrow; payloads stay in the array until their row is written. A user's place among
      -- the users of the batch is the place of their head, count and receipt.
      insert into public.phoenix_events (
        user_id, version, event_id, event_type, app_source, payload, metadata,
        correlation_id, causation_id, session_id, "timestamp", received_at, event_hash
      )
      select
        n.user_id, heads[n.owner] - counts[n.owner] + n.nth, (incoming[n.place]).event_id,
        (incoming[n.place]).event_type, (incoming[n.place]).app_source,
        (incoming[n.place]).payload, (incoming[n.place]).metadata,
        (incoming[n.place]).correlation_id, (incoming[n.place]).causation_id, (incoming[n.place]).session_id,
        coalesce((incoming[n.place])."timestamp", receipts[n.owner]), receipts[n.owner], (incoming[n.place]).fingerprint
      from (
        select
          i.*,
          dense_rank() over (order by i.user_id) as owner,
          count(*) filter (where i.is_accepted) over (partition by i.user_id order by i.place) as nth
        from (
          select p as place, (incoming[p]).user_id, is_timely or (verdicts[p]).status = 'accepted' as is_accepted
          from generate_subscripts(incoming, 1) as p
          offset 0
        ) as i
      ) as n
      where n.is_accepted;
      exit;
    exception
      when unique_violation then
        if not is_timely then
          raise;
        end if;
        is_timely := false;
    end;
  end loop;

  if is_timely then
    return array(
      select row((incoming[p]).event_id, 'accepted')::flywheel.verdict
      from generate_subscripts(incoming, 1) as p
    );
  end if;

  select
    bool_or((incoming[p])."timestamp" is null and (verdicts[p]).status <> 'rejected'),
    bool_or((verdicts[p]).status <> 'accepted')
  into has_untimed, has_surplus
  from generate_subscripts(incoming, 1) as p;

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
    -- What was reserved for events that were not appended is given back. The rows are there; it is an insert all the same, since
    -- that finds each by its key and in no other way.
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

    perform flywheel.remember_aliases(incoming, verdicts);
  end if;

  return verdicts;
end
$$;

comment on function flywheel.append_events(flywheel.incoming_event[], interval) is
  'flywheel.append() for many at once: for publications of which no two have an event_id or a fingerprint in common. Whatever their number, the same few statements.';
