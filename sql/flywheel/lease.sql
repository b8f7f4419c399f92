create function flywheel.lease(shape text)
returns setof text
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set enable_bitmapscan = off
set jit = off
-- Below deadlock_timeout, so that it is never a publication that is given up.
set lock_timeout = '200ms'
as $$
declare
  settings flywheel.settings;
  token uuid := gen_random_uuid();
  users uuid[];
  retried uuid[];
  leased_at timestamptz;
  owner uuid;
  stream text;
  leased uuid[] := '{}';
  bytes bigint := 0;
  -- What fits into the memory of one function's instance, several times as it is read.
  most_bytes constant bigint := 32 * 1024 * 1024;
begin
  -- Most looks find nothing, and to see that costs less than to start the statement that takes.
  perform from flywheel.streams as s where s.available_at <= statement_timestamp() limit 1;
  if not found then
    return;
  end if;

  loop
    begin
      -- No change is under way that this lease would not see, of the reactors' settings or of how long it may last.
      perform pg_advisory_xact_lock_shared(hashtextextended('flywheel.settings_changes', 0));
      select s.* into settings from flywheel.settings as s;

      with due as materialized (
        select
          s.user_id,
          s.available_at,
          -- A token that is still there was not given back: its holder has died, or could not commit, perhaps because of this user.
          s.lease_token is not null as was_lost
        from flywheel.streams as s
        where s.available_at <= statement_timestamp()
        order by s.available_at
        limit settings.lease_users
        for no key update skip locked
      ),
      -- From then on such a user is leased alone: one whose events kill a worker takes nobody along.
      apart as (
        select
          d.user_id,
          row_number() over so_far as place,
          bool_or(d.was_lost) over so_far as was_lost,
          -- When all of them were locked.
          max(clock_timestamp()) over () as leased_at
        from due as d
        window so_far as (order by d.available_at, d.user_id)
      ),
      taken as (
        update flywheel.streams as s
        set
          lease_token = token,
          attempts = s.attempts + 1,
          available_at = clock_timestamp() + settings.lease_time,
          reached_at = case when s.reached_at < a.leased_at then a.leased_at else flywheel.received_after(s.reached_at) end
        from apart as a
        where s.user_id = a.user_id
          and (a.place = 1 or not a.was_lost)
        returning s.user_id, s.attempts, a.leased_at
      )
      select array_agg(t.user_id), array_agg(t.user_id) filter (where t.attempts > 1), max(t.leased_at)
      into users, retried, leased_at
      from taken as t;
      exit;
    exception
      -- "skip locked" waits all the same where an update ends in the moment of looking and the row's new version is locked. Here
      -- streams are not locked in the order of users, so it is the lease that gives way, not a publication.
      when lock_not_available then
        null;
    end;
  end loop;

  if users is null then
    return;
  end if;

  -- A state of other reactors goes. These begin with the first event, so the attempts so far were at another one.
  if retried is not null then
    with forgotten as (
      delete from flywheel.states as st
      where st.user_id = any (retried) and st.shape <> lease.shape
      returning st.user_id
    )
    update flywheel.streams as s
    set
      processed_version = 0,
      attempts = 1,
      wake_at = null,
      pending_since = coalesce(s.pending_since, clock_timestamp())
    from forgotten as f
    where s.user_id = f.user_id;
  end if;

  -- A statement of its own sees all that was committed before the lock, and whatever is appended later is received
  -- later than leased_at, which the streams have reached, as long as the clock is not set back far. So the same timers fire between
  -- the same events, today and in every replay.
  -- Written as text piece by piece: to build and join JSON values costs twice the time, and all of it is read again anyway. By
  -- "||", since concat() looks for each piece's type at every call. Types and apps are names that read_envelopes() let in: nothing
  -- in them needs an escape.
  for owner, stream in
    select
      s.user_id,
      '{"user_id":"' || s.user_id
        || '","attempts":' || s.attempts
        || ',"version":' || f.version
        || ',"behind":' || s.version - f.version
        || ',"is_uncounted":' || (s.counted_version < f.version)
        || ',"state":' || f.state
        || ',"events":[' || coalesce(e.events, '') || ']}'
    from flywheel.streams as s
    left join flywheel.states as st
      on st.user_id = s.user_id and st.shape = lease.shape
    cross join lateral (
      select
        case when st.user_id is null then 0 else s.processed_version end as version,
        coalesce(st.state::text, '{}') as state
    ) as f
    left join lateral (
      select
        string_agg(
          '[' || b.version
            || ',"' || b.event_id
            || '","' || b.event_type
            || '","' || b.app_source
            || '",' || extract(epoch from b."timestamp")
            || ',' || extract(epoch from b.received_at)
            -- What may be long is copied once.
            || (',' || b.payload::text || case
              when b.ai_processing_error is not null or b.version <= s.counted_version or b.correlation_id is not null
              then concat(
                ',', to_json(b.ai_processing_error is not null),
                ',', to_json(b.version > s.counted_version),
                ',', coalesce(to_json(b.correlation_id), 'null')
              )
              else ''
            end
            || ']'),
          ','
          order by b.version
        ) as events
      from (
        select
          n.*,
          -- Small payloads are bounded by their number; large ones are measured as they are stored, which costs nothing. How long a
          -- compressed one is cannot be told without unpacking it.
          sum(
            case
              when pg_column_compression(n.payload) is not null then greatest(pg_column_size(n.payload), 1024)
              when pg_column_size(n.payload) > 1900 then pg_column_size(n.payload)
              else 0
            end
          ) over (order by n.version rows between unbounded preceding and 1 preceding) as bytes_before
        from (
          select v.*
          from public.phoenix_events as v
          where v.user_id = s.user_id and v.version > f.version
          order by v.version
          -- After a worker died over a backlog, ever fewer at once: soon the event that kills stands alone.
          limit greatest(1, settings.lease_events >> least(3 * (s.attempts - 1), 30))
        ) as n
      ) as b
      where coalesce(b.bytes_before, 0) < settings.lease_bytes
    ) as e on true
    where s.user_id = any (users)
  loop
    -- A worker for which this is too much to read dies before the lease is committed, and nothing tells that from one that never
    -- came: so a lease is bounded.
    bytes := bytes + octet_length(stream);
    exit when bytes > most_bytes and cardinality(leased) > 0;
    leased := leased || owner;
    return next stream;
  end loop;

  if cardinality(leased) < cardinality(users) then
    -- None of them had a lease that was lost: such a user comes alone.
    update flywheel.streams as s
    set lease_token = null, attempts = s.attempts - 1, available_at = leased_at
    where s.user_id = any (users) and s.user_id <> all (leased);
  end if;

  return next json_build_object(
    'token', token,
    'leased_at', (extract(epoch from leased_at) * 1000000)::bigint,
    'max_attempts', settings.max_attempts,
    'users', leased,
    'settings_changed_at', flywheel.settings_changed_at()
  );
end
$$;

comment on function flywheel.lease(text) is
  'Takes up to settings.lease_users users whose stream is due, for settings.lease_time: fewer where their backlogs are more than 32 MiB. shape: the versions of the caller''s reactors; where a state has another, the user''s events come from the first, and attempts begin anew. Returns nothing where no stream is due, or JSON texts: for each user { user_id, attempts, version, behind, is_uncounted: whether not all up to that version is counted, state, events: [ [ version, event_id, event_type, app_source, timestamp (seconds), received_at (seconds), payload, and where it is not false, true, null: was set aside, is counted for the first time, correlation_id ] ] }, and last { token, leased_at (microseconds), max_attempts, users: [ ids ], settings_changed_at: flywheel.settings_changed_at() }.';
