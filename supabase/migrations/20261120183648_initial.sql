-- extensions.sql
create extension if not exists pgcrypto with schema extensions;

-- The doorbell's voice on Supabase. Where the server has no pg_net, the sweep alone finds the work.
do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_net;
  end if;
end
$$;

-- flywheel/schema.sql
create schema flywheel;

comment on schema flywheel is
  'Everything internal to the flywheel: streams, fingerprints, leases, settings. Usable by service_role alone.';

-- flywheel/settings.sql
create table flywheel.settings (
  only_row boolean primary key default true check (only_row),
  dedup_window interval not null default '5 minutes' check (dedup_window between '0' and '30 days'),
  future_tolerance interval not null default '5 minutes' check (future_tolerance between '0' and '1 day'),
  max_batch_events integer not null default 500 check (max_batch_events between 1 and 5000),
  max_batch_bytes integer not null default 1048576 check (max_batch_bytes between 1024 and 16777216),
  max_json_depth integer not null default 32 check (max_json_depth between 4 and 64),
  lease_time interval not null default '60 seconds' check (lease_time between '1 second' and '1 hour'),
  lease_users integer not null default 100 check (lease_users between 1 and 1000),
  lease_events integer not null default 100 check (lease_events between 1 and 5000),
  max_attempts integer not null default 5 check (max_attempts between 1 and 50),
  backoff_base interval not null default '1 second' check (backoff_base between '10 milliseconds' and '1 hour'),
  backoff_max interval not null default '10 minutes' check (backoff_max between '10 milliseconds' and '1 day'),
  backoff_jitter double precision not null default 0.2 check (backoff_jitter between 0 and 1),
  max_workers integer not null default 4 check (max_workers between 1 and 64),
  work_budget interval not null default '50 seconds' check (work_budget between '1 second' and '140 seconds'),
  ring_interval interval not null default '50 milliseconds' check (ring_interval between '0' and '10 seconds'),
  linger interval not null default '200 milliseconds' check (linger between '0' and '10 seconds'),
  check (backoff_base <= backoff_max)
);

insert into flywheel.settings default values;

comment on table flywheel.settings is
  'Every knob of the store and the engine, in one row. Changed by UPDATE, in force from the next call, no deploy needed.';
comment on column flywheel.settings.only_row is 'Keeps the table to one row.';
comment on column flywheel.settings.dedup_window is
  'How long a fingerprint without a publisher''s timestamp counts. Sliding: each duplicate starts it anew.';
comment on column flywheel.settings.future_tolerance is 'How far ahead of the server''s clock an event''s timestamp may be.';
comment on column flywheel.settings.max_batch_events is 'Events in one publication.';
comment on column flywheel.settings.max_batch_bytes is 'Bytes of one publication, as JSON text.';
comment on column flywheel.settings.max_json_depth is 'Levels of nesting inside one event.';
comment on column flywheel.settings.lease_time is
  'A worker''s right to one user''s backlog. Longer than one batch ever takes to fold; a dead worker costs this much.';
comment on column flywheel.settings.lease_users is 'Users a worker takes at once.';
comment on column flywheel.settings.lease_events is 'Events of one user that a worker takes at once.';
comment on column flywheel.settings.max_attempts is 'Times an event that fails is folded before it is set aside.';
comment on column flywheel.settings.backoff_base is 'Wait after the first failed attempt; doubles with each further one.';
comment on column flywheel.settings.backoff_max is 'The longest wait between two attempts.';
comment on column flywheel.settings.backoff_jitter is 'Share of a wait that is random, 0 to 1, so that failures do not return in step.';
comment on column flywheel.settings.max_workers is 'Workers that may drain the backlog at the same time.';
comment on column flywheel.settings.work_budget is
  'Wall-clock time after which a worker hands on. Below the edge runtime''s 150 s.';
comment on column flywheel.settings.ring_interval is 'The doorbell rings at most once in this time; linger covers what it leaves out.';
comment on column flywheel.settings.linger is
  'How long a worker that found nothing more keeps looking before it leaves. Longer than ring_interval.';

-- store/phoenix_events.sql
create table public.phoenix_events (
  user_id uuid not null,
  version bigint not null check (version > 0),
  event_id uuid not null,
  event_type text not null,
  app_source text not null,
  payload jsonb not null,
  metadata jsonb not null default '{}',
  correlation_id text,
  causation_id text,
  session_id text,
  "timestamp" timestamptz not null,
  received_at timestamptz not null default now(),
  event_hash bytea not null,
  ai_processing_error text,
  primary key (user_id, version)
);

create unique index phoenix_events_event_id on public.phoenix_events (user_id, event_id);
create index phoenix_events_timestamp on public.phoenix_events ("timestamp");
create index phoenix_events_dead_letters on public.phoenix_events (user_id, version)
where ai_processing_error is not null;

alter table public.phoenix_events enable row level security;

comment on table public.phoenix_events is
  'The log: what users did in the Phoenix apps. Append-only for every API role; a user''s events are numbered 1, 2, 3, … by version.';
comment on column public.phoenix_events.user_id is 'Whose stream the event belongs to.';
comment on column public.phoenix_events.version is 'Place in the user''s stream, from 1, without gaps, in commit order.';
comment on column public.phoenix_events.event_id is 'The publisher''s idempotency key, or one the store made. Unique for a user.';
comment on column public.phoenix_events.event_type is 'What happened, in NFC: a catalogue name such as cv.uploaded, or the publisher''s own.';
comment on column public.phoenix_events.app_source is 'The app that published it: a slug without the phoenix_ prefix.';
comment on column public.phoenix_events.payload is 'What the publisher said about it, canonical: NFC text, numbers without trailing zeros.';
comment on column public.phoenix_events.metadata is 'Technical context of the publisher''s own.';
comment on column public.phoenix_events.correlation_id is 'The conversation the event belongs to; the flywheel''s own events keep it.';
comment on column public.phoenix_events.causation_id is 'What caused the event: for the flywheel''s own events, the event_id of the cause.';
comment on column public.phoenix_events.session_id is 'The publisher''s session.';
comment on column public.phoenix_events."timestamp" is 'When it happened: the publisher''s time, or the time of receipt.';
comment on column public.phoenix_events.received_at is 'When the store appended it; grows with version.';
comment on column public.phoenix_events.event_hash is 'The fingerprint: SHA-256, 32 bytes; flywheel.read_envelopes() says over what.';
comment on column public.phoenix_events.ai_processing_error is
  'Why the event was set aside as a dead letter; null where it was folded or awaits folding.';

-- store/streams.sql
create table flywheel.streams (
  user_id uuid primary key,
  version bigint not null default 0,
  processed_version bigint not null default 0,
  counted_version bigint not null default 0,
  available_at timestamptz,
  wake_at timestamptz,
  pending_since timestamptz,
  lease_token uuid,
  attempts integer not null default 0,
  check (processed_version between 0 and version)
)
with (
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

create index streams_available_at on flywheel.streams (available_at)
where available_at is not null;

alter table flywheel.streams enable row level security;

comment on table flywheel.streams is
  'One row a user: how far the stream reaches and how far it is folded. Kept narrow, since every publish, lease and commit rewrites it.';
comment on column flywheel.streams.user_id is 'The stream''s owner.';
comment on column flywheel.streams.version is 'Events appended.';
comment on column flywheel.streams.processed_version is 'The checkpoint: events folded. A replay sets it back.';
comment on column flywheel.streams.counted_version is
  'The highest checkpoint ever reached: what the rollups count. A replay leaves it.';
comment on column flywheel.streams.available_at is
  'When a worker should look at this stream: now for a backlog, the end of a lease, the next attempt, or the next timer. Null: nothing to do.';
comment on column flywheel.streams.wake_at is 'The earliest timer the fold asked for.';
comment on column flywheel.streams.pending_since is 'When the first event of the backlog was received.';
comment on column flywheel.streams.lease_token is 'The lease in force, or the last one that was not given back.';
comment on column flywheel.streams.attempts is 'Leases of this backlog''s first event that ended without a commit beyond it.';

-- store/states.sql
create table flywheel.states (
  user_id uuid primary key,
  shape text not null,
  state jsonb not null
)
with (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

alter table flywheel.states enable row level security;

comment on table flywheel.states is
  'The fold so far, one row a user. Apart from streams, so that publishing never copies it.';
comment on column flywheel.states.user_id is 'The stream''s owner.';
comment on column flywheel.states.shape is
  'The versions of the reactors that wrote the state; a state of another shape is folded anew from the first event.';
comment on column flywheel.states.state is 'What each reactor remembers, by reactor name.';

-- store/fingerprints.sql
create table flywheel.fingerprints (
  user_id uuid not null,
  fingerprint bytea not null,
  event_id uuid not null,
  seen_at timestamptz not null,
  permanent boolean not null,
  primary key (user_id, fingerprint)
)
with (fillfactor = 90);

create index fingerprints_seen_at on flywheel.fingerprints (seen_at)
where not permanent;

alter table flywheel.fingerprints enable row level security;

comment on table flywheel.fingerprints is 'Which publications were seen, and as which event: the memory of deduplication.';
comment on column flywheel.fingerprints.user_id is 'Whose event.';
comment on column flywheel.fingerprints.fingerprint is 'SHA-256; flywheel.read_envelopes() says over what.';
comment on column flywheel.fingerprints.event_id is 'The first publication''s event_id.';
comment on column flywheel.fingerprints.seen_at is 'The last publication of it; the dedup window runs from here.';
comment on column flywheel.fingerprints.permanent is
  'True where the publisher gave a timestamp: such a fingerprint counts for ever. Others are pruned after the window.';

-- store/incoming_event.sql
create type flywheel.incoming_event as (
  ord integer,
  user_id uuid,
  event_id uuid,
  event_type text,
  app_source text,
  payload jsonb,
  metadata jsonb,
  correlation_id text,
  causation_id text,
  session_id text,
  "timestamp" timestamptz,
  fingerprint bytea,
  issues text[]
);

comment on type flywheel.incoming_event is
  'One publication as flywheel.read_envelopes() understood it. A null timestamp means that the publisher gave none; issues, as field=message, mean that it is refused.';

-- store/verdict.sql
create type flywheel.verdict as (ord integer, event_id uuid, status text);

comment on type flywheel.verdict is
  'What became of a publication: accepted, duplicate (with the first one''s event_id) or rejected (its event_id stands for another content).';

-- store/canonical_json.sql
create function flywheel.canonical_json(value jsonb)
returns jsonb
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
begin
  case jsonb_typeof(value)
    when 'string' then
      return to_jsonb(normalize(value #>> '{}', nfc));
    when 'number' then
      return to_jsonb(trim_scale((value #>> '{}')::numeric));
    when 'array' then
      return (
        select coalesce(jsonb_agg(flywheel.canonical_json(e.value) order by e.ordinality), '[]')
        from jsonb_array_elements(value) with ordinality as e
      );
    when 'object' then
      return (
        select coalesce(jsonb_object_agg(normalize(e.key, nfc), flywheel.canonical_json(e.value)), '{}')
        from jsonb_each(value) as e
      );
    else
      return value;
  end case;
end
$$;

comment on function flywheel.canonical_json(jsonb) is
  'The same JSON with text and keys in NFC and numbers without trailing zeros, so that equal content has equal text. Key order and number forms such as 1e0 are jsonb''s own business.';

-- store/json_flaw.sql
create function flywheel.json_flaw(value jsonb, max_depth integer)
returns text
language sql
immutable
strict
parallel safe
set search_path = ''
return case
  when jsonb_path_exists(value, format('$.**{%s}', max_depth + 1)::jsonpath)
    then format('is nested more than %s levels deep', max_depth)
  when jsonb_path_exists(
    value,
    '$.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'
  )
    then 'holds a number beyond the range of a double'
end;

comment on function flywheel.json_flaw(jsonb, integer) is
  'What keeps a JSON value from being stored and read back by every client, or null: too deep a nesting, or a number that a double cannot hold.';

-- store/read_envelopes.sql
create function flywheel.read_envelopes(events jsonb, publisher uuid, refused jsonb)
returns setof flywheel.incoming_event
language sql
stable
set search_path = ''
as $$
  with settings as materialized (
    select s.future_tolerance, s.max_json_depth from flywheel.settings as s
  ),
  -- Most publications are canonical as they come: one look at the whole text spares each event the careful way.
  -- Below U+0300 all text is in NFC.
  care as materialized (
    select
      case
        when octet_length(t.body) > length(t.body) and t.body ~ '[^\u0001-\u02ff]' then not t.body is nfc normalized
        else false
      end
      or t.body ~ '\.[0-9]*0[],} ]|[0-9]{60}'
      or jsonb_path_exists(events, format('$.**{%s}', s.max_json_depth + 2)::jsonpath) as needed
    from settings as s, lateral (select events::text collate "C" as body offset 0) as t
  ),
  sent as materialized (
    select
      e.ordinality::integer as ord,
      case
        when not care.needed or flywheel.json_flaw(e.value, s.max_json_depth) is not null then e.value
        else flywheel.canonical_json(e.value)
      end as value,
      case when care.needed then flywheel.json_flaw(e.value, s.max_json_depth) end as flaw
    from care, settings as s, jsonb_array_elements(events) with ordinality as e
  ),
  fields as materialized (
    select
      s.ord,
      s.value,
      s.flaw,
      jsonb_typeof(s.value) = 'object' as is_object,
      s.value ->> 'event_type' as event_type,
      regexp_replace(coalesce(s.value ->> 'app_source', s.value ->> 'source_app'), '^phoenix_', '') as app_source,
      coalesce(s.value -> 'payload', s.value -> 'data', '{}') as payload,
      coalesce(nullif(s.value -> 'metadata', 'null'), '{}') as metadata,
      s.value ->> 'event_id' as event_id,
      s.value ->> 'user_id' as user_id,
      -- A time without an offset is UTC, whatever the session's time zone.
      case
        when s.value ->> 'timestamp' ~ '(Z|[+-]\d\d(:?\d\d)?)$' then s.value ->> 'timestamp'
        else (s.value ->> 'timestamp') || 'Z'
      end as "timestamp",
      coalesce(
        s.value ->> 'timestamp'
          ~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$',
        true
      ) as is_iso
    from sent as s
  ),
  checked as materialized (
    select
      f.*,
      case
        when f.flaw is not null then array['event=' || f.flaw]
        when not f.is_object then array['event=must be an object']
        else array_remove(
          array[
            case
              when jsonb_typeof(f.value -> 'event_type') is distinct from 'string'
                then 'event_type=is required and must be text'
              when length(f.event_type) > 100
                then 'event_type=must be 100 characters at most'
              when f.event_type !~ ('^[[:alnum:]_]+(\.[[:alnum:]_]+)*$' collate pg_catalog.pg_c_utf8)
                then 'event_type=must be letters, digits and _ in parts joined by a dot'
            end,
            case
              when jsonb_typeof(coalesce(f.value -> 'app_source', f.value -> 'source_app')) is distinct from 'string'
                then 'app_source=is required and must be text'
              when f.app_source !~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$' or length(f.app_source) > 50
                then 'app_source=must be a slug: lower-case letters and digits, parts joined by - or _, 50 characters at most'
              when f.value -> 'app_source' <> f.value -> 'source_app'
                then 'source_app=differs from app_source'
            end,
            case
              when jsonb_typeof(f.payload) <> 'object' then 'payload=must be an object'
              when f.value -> 'payload' <> f.value -> 'data' then 'data=differs from payload'
            end,
            case
              when jsonb_typeof(f.metadata) <> 'object' then 'metadata=must be an object'
            end,
            case
              when jsonb_typeof(coalesce(f.value -> 'event_id', 'null')) not in ('string', 'null')
                or not pg_input_is_valid(coalesce(f.event_id, gen_random_uuid()::text), 'uuid')
                then 'event_id=must be a UUID'
            end,
            case
              when f.user_id is null and publisher is null
                then 'user_id=is required with a secret key'
              when not pg_input_is_valid(coalesce(f.user_id, publisher::text), 'uuid')
                or jsonb_typeof(coalesce(f.value -> 'user_id', '""')) not in ('string', 'null')
                then 'user_id=must be a UUID'
              when lower(f.user_id) <> publisher::text
                then 'user_id=is not yours: a user publishes as themself'
            end,
            case
              when not f.is_iso
                or not pg_input_is_valid(coalesce(f."timestamp", 'now'), 'timestamptz')
                then 'timestamp=must be an ISO 8601 date and time'
            end,
            case
              when jsonb_typeof(coalesce(f.value -> 'correlation_id', 'null')) not in ('string', 'null')
                or length(f.value ->> 'correlation_id') > 200
                then 'correlation_id=must be text of 200 characters at most'
            end,
            case
              when jsonb_typeof(coalesce(f.value -> 'causation_id', 'null')) not in ('string', 'null')
                or length(f.value ->> 'causation_id') > 200
                then 'causation_id=must be text of 200 characters at most'
            end,
            case
              when jsonb_typeof(coalesce(f.value -> 'session_id', 'null')) not in ('string', 'null')
                or length(f.value ->> 'session_id') > 200
                then 'session_id=must be text of 200 characters at most'
            end,
            case
              when f.value - array[
                'event_type', 'app_source', 'source_app', 'payload', 'data', 'event_id', 'user_id', 'timestamp',
                'partition_key', 'correlation_id', 'causation_id', 'session_id', 'metadata'
              ] <> '{}'
                then 'event=has a field that the envelope does not know; put it into payload or metadata'
            end
          ],
          null
        )
      end
      || coalesce(
        (select array_agg(i.value ->> 'field' || '=' || (i.value ->> 'message'))
         from jsonb_array_elements(refused -> (f.ord - 1)::text) as i),
        '{}'
      ) as issues
    from fields as f
  )
  select
    c.ord,
    r.user_id,
    case when r.fine then c.event_id::uuid end,
    c.event_type,
    c.app_source,
    c.payload,
    c.metadata,
    c.value ->> 'correlation_id',
    c.value ->> 'causation_id',
    c.value ->> 'session_id',
    r."timestamp",
    -- The fingerprint: SHA-256 over user, type, app, canonical payload and the publisher's time, where it gave one,
    -- separated by the unit separator, which none of them can contain.
    case
      when r.fine then sha256(
        convert_to(
          concat_ws(
            chr(31), r.user_id, c.event_type, c.app_source, c.payload, extract(epoch from r."timestamp")
          ),
          'UTF8'
        )
      )
    end,
    case
      when r."timestamp" > clock_timestamp() + s.future_tolerance
        then array[format('timestamp=is more than %s seconds ahead', extract(epoch from s.future_tolerance)::integer)]
      else c.issues
    end
  from settings as s, checked as c,
    lateral (
      select
        c.issues = '{}' as fine,
        case when c.issues = '{}' then coalesce(c.user_id::uuid, publisher) end as user_id,
        case when c.issues = '{}' then c."timestamp"::timestamptz end as "timestamp"
    ) as r
  order by c.ord
$$;

comment on function flywheel.read_envelopes(jsonb, uuid, jsonb) is
  'The one place where the envelope''s rules stand: reads an array of publications, accepts Aube''s field names (source_app, data, partition_key), and returns each in canonical form or with its issues. publisher: the user who publishes, or null for a secret key. refused: { index from 0: [ { field, message } ] }, what the caller already found.';

-- store/append_events.sql
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

-- store/publish.sql
create function flywheel.publish(body jsonb, publisher uuid default null, refused jsonb default '{}')
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  settings flywheel.settings;
  events jsonb := case
    when jsonb_typeof(body) = 'object' and body ? 'events' then body -> 'events'
    when jsonb_typeof(body) = 'object' then jsonb_build_array(body)
    else body
  end;
  incoming flywheel.incoming_event[];
  fine flywheel.incoming_event[];
  users uuid[];
  wave flywheel.incoming_event[];
  verdicts flywheel.verdict[] := '{}';
  expected bigint;
  actual bigint;
  results jsonb;
begin
  select s.* into settings from flywheel.settings as s;

  if jsonb_typeof(events) is distinct from 'array' then
    raise exception using
      errcode = 'PT400', message = 'The body must be one event or { "events": [ … ] }.', detail = 'invalid_body';
  end if;
  if jsonb_array_length(events) not between 1 and settings.max_batch_events then
    raise exception using
      errcode = case when jsonb_array_length(events) = 0 then 'PT400' else 'PT413' end,
      message = format('A publication holds 1 to %s events.', settings.max_batch_events),
      detail = case when jsonb_array_length(events) = 0 then 'no_events' else 'too_many_events' end;
  end if;
  if octet_length(events::text) > settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most.', settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;

  select
    array_agg(e order by e.ord),
    array_agg(e order by e.ord) filter (where e.issues = '{}'),
    array_agg(distinct e.user_id) filter (where e.issues = '{}')
  into incoming, fine, users
  from flywheel.read_envelopes(events, publisher, refused) as e;

  if fine is not null then
    -- One user's events commit in version order because the stream stays locked from here to the commit;
    -- whatever is read about these users below is therefore final. Ordered, so that two batches cannot deadlock.
    insert into flywheel.streams (user_id)
    select u.user_id from unnest(users) as u (user_id)
    where not exists (select from flywheel.streams as s where s.user_id = u.user_id)
    order by u.user_id
    on conflict do nothing;

    perform from flywheel.streams as s where s.user_id = any (users) order by s.user_id for no key update;
  end if;

  if body ? 'expected_version' then
    if cardinality(users) is distinct from 1 or not pg_input_is_valid(body ->> 'expected_version', 'bigint') then
      raise exception using
        errcode = 'PT400',
        message = 'expected_version must be a whole number, and goes with valid events of one user.',
        detail = 'invalid_expected_version';
    end if;
    expected := (body ->> 'expected_version')::bigint;
    select s.version into actual from flywheel.streams as s where s.user_id = users[1];
    if actual <> expected then
      raise exception using
        errcode = 'PT409',
        message = format('The stream is at version %s, not %s.', actual, expected),
        detail = 'wrong_expected_version';
    end if;
  end if;

  -- Two events of one user with one event_id depend on each other: such a batch, which is rare, goes event by event.
  for wave in
    select array_agg(f order by f.ord)
    from unnest(fine) as f
    cross join (
      select count(distinct (x.user_id, x.event_id)) < count(*) as entangled
      from unnest(fine) as x
      where x.event_id is not null
    ) as all_of_them
    group by case when entangled then f.ord end
    order by min(f.ord)
  loop
    verdicts := verdicts || array(
      select v::flywheel.verdict
      from flywheel.append_events(wave, settings.dedup_window, clock_timestamp()) as v
    );
  end loop;

  with answers as (
    select
      i.ord,
      coalesce(a.status, 'rejected') as status,
        jsonb_build_object(
          'event_id', coalesce(a.event_id, i.event_id),
          'status', coalesce(a.status, 'rejected')
        )
        || jsonb_strip_nulls(jsonb_build_object('error', case
            when a.status = 'rejected' then jsonb_build_object(
              'code', 'event_id_reused',
              'message', 'This event_id stands for an event with another content.'
            )
            when a.status is null then jsonb_build_object(
              'code', 'invalid_event',
              'message', 'The event was refused.',
              'issues', (
                select jsonb_agg(
                  jsonb_build_object('field', split_part(issue, '=', 1), 'message', substr(issue, strpos(issue, '=') + 1))
                )
                from unnest(i.issues) as issue
              )
            )
          end)) as answer
    from unnest(incoming) as i
    left join unnest(verdicts) as a on a.ord = i.ord
  )
  select
    jsonb_build_object(
      'accepted', count(*) filter (where r.status = 'accepted'),
      'duplicates', count(*) filter (where r.status = 'duplicate'),
      'rejected', count(*) filter (where r.status = 'rejected'),
      'results', jsonb_agg(r.answer order by r.ord)
    )
  into results
  from answers as r;

  return results;
end
$$;

comment on function flywheel.publish(jsonb, uuid, jsonb) is
  'Publishes one event or { events, expected_version? } in one transaction: reads the envelopes, locks the streams, deduplicates, appends. publisher: the user who publishes, or null for a secret key, which names a user_id in each event. refused: { index from 0: [ { field, message } ] }, what the caller''s payload check found. Returns { accepted, duplicates, rejected, results } in the order sent. Raises PT400, PT409 wrong_expected_version, PT413, with the code in the error''s detail.';

-- store/publish_events.sql
create function public.publish_events(events jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  publisher uuid := (select auth.uid());
begin
  -- The role that the API assumed, not the definer's: a user publishes as themself, whatever the body says.
  if publisher is null and coalesce(current_setting('role', true), 'none') = 'authenticated' then
    raise exception using errcode = 'PT401', message = 'Sign in first.', detail = 'unauthorized';
  end if;
  return flywheel.publish(events, publisher);
end
$$;

comment on function public.publish_events(jsonb) is
  'POST events without the functions: publishes one event or { "events": [ … ] } of the signed-in user, or of any user for service_role, with the same body and the same answer. A payload that its catalogue schema refuses is set aside with its error when it is folded.';

-- flywheel/doorbell.sql
create table flywheel.doorbell (
  only_row boolean primary key default true check (only_row),
  rung_at timestamptz not null default '-infinity'
);

insert into flywheel.doorbell default values;

alter table flywheel.doorbell enable row level security;

comment on table flywheel.doorbell is 'When the doorbell last rang, so that a burst of publications rings once.';
comment on column flywheel.doorbell.only_row is 'Keeps the table to one row.';
comment on column flywheel.doorbell.rung_at is 'The last ring.';

-- flywheel/ring.sql
create function flywheel.ring()
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
  url text;
  secret text;
  body jsonb;
  sent_at text := extract(epoch from clock_timestamp())::bigint::text;
begin
  -- Whoever finds the row locked leaves the ring to its holder: nobody waits at the door.
  update flywheel.doorbell as d
  set rung_at = clock_timestamp()
  from (
    select b.only_row
    from flywheel.doorbell as b, flywheel.settings as s
    where b.rung_at <= clock_timestamp() - s.ring_interval
    for no key update of b skip locked
  ) as due
  where d.only_row = due.only_row;

  if not found or to_regproc('net.http_post') is null then
    return false;
  end if;

  begin
    select
      max(s.decrypted_secret) filter (where s.name = 'phoenix_doorbell_url'),
      max(s.decrypted_secret) filter (where s.name = 'phoenix_doorbell_secret')
    into url, secret
    from vault.decrypted_secrets as s
    where s.name in ('phoenix_doorbell_url', 'phoenix_doorbell_secret');

    if url is null or secret is null then
      return false;
    end if;

    body := jsonb_build_object('ring_id', gen_random_uuid());
    perform net.http_post(
      url => url,
      body => body,
      headers => jsonb_build_object(
        'content-type', 'application/json',
        'x-phoenix-signature', format(
          't=%s,v1=%s',
          sent_at,
          encode(extensions.hmac(sent_at || '.' || body::text, secret, 'sha256'), 'hex')
        )
      ),
      timeout_milliseconds => 5000
    );
    return true;
  exception
    -- The doorbell is not the mail: no publication fails because nobody could be rung. The sweep comes anyway.
    when others then
      raise warning 'The doorbell did not ring: %', sqlerrm;
      return false;
  end;
end
$$;

comment on function flywheel.ring() is
  'Tells process-queue that there is work: an HTTP call by pg_net to the address in Vault (phoenix_doorbell_url), signed in x-phoenix-signature as t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body" with phoenix_doorbell_secret>. At most once in settings.ring_interval. Returns whether it rang.';

-- flywheel/ring_on_append.sql
create function flywheel.ring_on_append()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform flywheel.ring();
  return null;
end
$$;

comment on function flywheel.ring_on_append() is 'Rings the doorbell when events were appended.';

create trigger ring_on_append
after insert on public.phoenix_events
for each statement
execute function flywheel.ring_on_append();

comment on trigger ring_on_append on public.phoenix_events is
  'The database webhook: once a statement, whatever the number of events.';

-- flywheel/phoenix_nudges_sent.sql
create table public.phoenix_nudges_sent (
  user_id uuid not null,
  nudge_id uuid not null,
  nudge_type text not null,
  app_source text not null,
  target_app text not null,
  variant text not null default 'default',
  title text not null,
  message text not null,
  cta_label text not null,
  cta_url text not null,
  causation_id text,
  correlation_id text,
  sent_at timestamptz not null default now(),
  shown_at timestamptz,
  clicked_at timestamptz,
  dismissed_at timestamptz,
  converted_at timestamptz,
  cancelled_at timestamptz,
  expires_at timestamptz not null,
  success boolean generated always as (converted_at is not null) stored,
  primary key (user_id, nudge_id),
  check (expires_at > sent_at)
);

create index phoenix_nudges_sent_pending on public.phoenix_nudges_sent (user_id, sent_at)
where shown_at is null and clicked_at is null and dismissed_at is null and cancelled_at is null;

alter table public.phoenix_nudges_sent enable row level security;

comment on table public.phoenix_nudges_sent is
  'Every nudge that the flywheel decided on, and what became of it.';
comment on column public.phoenix_nudges_sent.user_id is 'Whom it is for.';
comment on column public.phoenix_nudges_sent.nudge_id is 'UUIDv5 of the event that caused it and the nudge''s type, so that no replay makes it twice.';
comment on column public.phoenix_nudges_sent.nudge_type is 'The rule that made it, such as letters_to_cv.';
comment on column public.phoenix_nudges_sent.app_source is 'The app whose event caused it, where it is best shown.';
comment on column public.phoenix_nudges_sent.target_app is 'The app it leads to.';
comment on column public.phoenix_nudges_sent.variant is 'The wording of the experiment that the user is in.';
comment on column public.phoenix_nudges_sent.title is 'What the user reads first, in French.';
comment on column public.phoenix_nudges_sent.message is 'What the user reads next, in French.';
comment on column public.phoenix_nudges_sent.cta_label is 'The text of its button, in French.';
comment on column public.phoenix_nudges_sent.cta_url is 'Where its button leads.';
comment on column public.phoenix_nudges_sent.causation_id is 'The event_id of the event that caused it.';
comment on column public.phoenix_nudges_sent.correlation_id is 'The correlation_id of that event.';
comment on column public.phoenix_nudges_sent.sent_at is 'When the flywheel decided on it.';
comment on column public.phoenix_nudges_sent.shown_at is 'When the user first saw it.';
comment on column public.phoenix_nudges_sent.clicked_at is 'When the user followed it.';
comment on column public.phoenix_nudges_sent.dismissed_at is 'When the user put it away.';
comment on column public.phoenix_nudges_sent.converted_at is 'When the user did what it led to.';
comment on column public.phoenix_nudges_sent.cancelled_at is 'When it became pointless before it was seen.';
comment on column public.phoenix_nudges_sent.expires_at is 'When it is no longer shown.';
comment on column public.phoenix_nudges_sent.success is 'Whether it converted.';

-- flywheel/mark_nudge.sql
create function flywheel.mark_nudge(owner uuid, nudge uuid, step text)
returns setof public.phoenix_nudges_sent
language plpgsql
security definer
set search_path = ''
as $$
declare
  marked_at timestamptz;
  changed public.phoenix_nudges_sent;
begin
  -- The stream first, as everywhere: the change and the event that tells of it are one.
  perform from flywheel.streams as s where s.user_id = owner for no key update;
  marked_at := clock_timestamp();

  update public.phoenix_nudges_sent as n
  set
    shown_at = coalesce(n.shown_at, marked_at),
    clicked_at = case when step = 'clicked' then marked_at else n.clicked_at end,
    dismissed_at = case when step = 'dismissed' then marked_at else n.dismissed_at end
  where n.user_id = owner
    and n.nudge_id = nudge
    and case step
      when 'shown' then n.shown_at is null
      when 'clicked' then n.clicked_at is null and n.dismissed_at is null
      when 'dismissed' then n.dismissed_at is null and n.clicked_at is null
    end
    and n.cancelled_at is null
  returning n.* into changed;

  if changed.nudge_id is not null then
    perform flywheel.append_events(
      array[
        row(
          1,
          owner,
          gen_random_uuid(),
          'nudge.' || step,
          'flywheel',
          jsonb_build_object('nudge_id', nudge, 'nudge_type', changed.nudge_type, 'target_app', changed.target_app),
          '{}',
          changed.correlation_id,
          nudge::text,
          null,
          marked_at,
          sha256(convert_to(nudge || step, 'UTF8')),
          '{}'
        )::flywheel.incoming_event
      ],
      '0',
      marked_at
    );
  end if;

  return query
  select n.* from public.phoenix_nudges_sent as n where n.user_id = owner and n.nudge_id = nudge;
end
$$;

comment on function flywheel.mark_nudge(uuid, uuid, text) is
  'Takes a step of the owner''s nudge (shown, clicked, dismissed) and appends the event that tells of it. A step already taken, or one that its state does not allow, changes nothing. Returns the nudge, or no row where the owner has no such nudge.';

-- flywheel/worker_slots.sql
create table flywheel.worker_slots (
  slot integer primary key,
  token uuid,
  expires_at timestamptz not null default '-infinity',
  processed_total bigint not null default 0
);

alter table flywheel.worker_slots enable row level security;

comment on table flywheel.worker_slots is 'The workers at work: how many may drain at once, and what they have handled.';
comment on column flywheel.worker_slots.slot is '1 to settings.max_workers.';
comment on column flywheel.worker_slots.token is 'The worker that holds the slot.';
comment on column flywheel.worker_slots.expires_at is 'When a slot that its worker did not give back is free again.';
comment on column flywheel.worker_slots.processed_total is 'Events handled by the slot''s workers, ever.';

-- flywheel/backoff.sql
create function flywheel.backoff(attempts integer)
returns interval
language sql
volatile
set search_path = ''
as $$
  select
    least(s.backoff_max, s.backoff_base * power(2, least(backoff.attempts, 30) - 1))
    * (1 - s.backoff_jitter * random())
  from flywheel.settings as s
$$;

comment on function flywheel.backoff(integer) is
  'The wait after that many failed attempts: backoff_base doubled with each, at most backoff_max, less a random share of up to backoff_jitter.';

-- flywheel/enter.sql
create function flywheel.enter()
returns json
language sql
security definer
set search_path = ''
as $$
  insert into flywheel.worker_slots (slot)
  select n.slot
  from flywheel.settings as s, generate_series(1, s.max_workers) as n (slot)
  where not exists (select from flywheel.worker_slots as w where w.slot = n.slot)
  on conflict do nothing;

  with free as (
    select w.slot
    from flywheel.worker_slots as w, flywheel.settings as s
    where w.expires_at <= clock_timestamp() and w.slot <= s.max_workers
    order by w.slot
    limit 1
    for no key update of w skip locked
  )
  update flywheel.worker_slots as w
  set
    token = gen_random_uuid(),
    expires_at = clock_timestamp() + s.work_budget + s.lease_time
  from free as f, flywheel.settings as s
  where w.slot = f.slot
  returning json_build_object(
    'token', w.token,
    'work_budget_ms', (extract(epoch from s.work_budget) * 1000)::integer,
    'linger_ms', (extract(epoch from s.linger) * 1000)::integer
  )
$$;

comment on function flywheel.enter() is
  'Gives the caller a worker''s slot: { token, work_budget_ms, linger_ms }, or null where settings.max_workers are at work, who will find what there is.';

-- flywheel/lease.sql
create function flywheel.lease(shape text)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  settings flywheel.settings;
  token uuid := gen_random_uuid();
  users uuid[];
  leased_at timestamptz;
begin
  select s.* into settings from flywheel.settings as s;

  with due as (
    select s.user_id
    from flywheel.streams as s
    where s.available_at <= clock_timestamp()
    order by s.available_at
    limit settings.lease_users
    for no key update skip locked
  ),
  taken as (
    update flywheel.streams as s
    set
      lease_token = token,
      attempts = s.attempts + 1,
      available_at = clock_timestamp() + settings.lease_time
    from due as d
    where s.user_id = d.user_id
    returning s.user_id
  )
  select array_agg(t.user_id) into users from taken as t;

  if users is null then
    return null;
  end if;

  -- A statement of its own sees all that was committed before the lock, and whatever is appended later is received
  -- later than leased_at. So the same timers fire between the same events, today and in every replay.
  leased_at := clock_timestamp();

  return (
    select
      json_build_object(
        'token', token,
        'leased_at', floor(extract(epoch from leased_at) * 1000),
        'max_attempts', settings.max_attempts,
        'streams', json_agg(
          json_build_object(
            'user_id', s.user_id,
            'attempts', s.attempts,
            'version', f.version,
            'state', f.state,
            'behind', s.version - f.version,
            'events', coalesce(e.events, '[]')
          )
        )
      )
    from flywheel.streams as s
    left join flywheel.states as st
      on st.user_id = s.user_id and st.shape = lease.shape
    cross join lateral (
      select
        case when st.user_id is null then 0 else s.processed_version end as version,
        coalesce(st.state, '{}') as state
    ) as f
    left join lateral (
      select
        json_agg(
          json_build_array(
            b.version,
            b.event_id,
            b.event_type,
            b.app_source,
            b.payload,
            b.correlation_id,
            floor(extract(epoch from b."timestamp") * 1000),
            floor(extract(epoch from b.received_at) * 1000),
            b.ai_processing_error is not null,
            b.version > s.counted_version
          )
          order by b.version
        ) as events
      from (
        select v.*
        from public.phoenix_events as v
        where v.user_id = s.user_id and v.version > f.version
        order by v.version
        -- After a worker died over a backlog, ever fewer at once: soon the event that kills stands alone.
        limit greatest(1, settings.lease_events >> least(3 * (s.attempts - 1), 30))
      ) as b
    ) as e on true
    where s.user_id = any (users)
  );
end
$$;

comment on function flywheel.lease(text) is
  'Takes up to settings.lease_users users whose stream is due, for settings.lease_time. shape: the versions of the caller''s reactors; a state of another shape is left and the user''s events come from the first. Returns null, or { token, leased_at (ms), max_attempts, streams: [ { user_id, attempts, version, state, behind, events: [ [ version, event_id, event_type, app_source, payload, correlation_id, timestamp (ms), received_at (ms), was set aside, is counted for the first time ] ] } ] }.';

-- flywheel/write_dead_letters.sql
create function flywheel.write_dead_letters(set_aside jsonb, committed uuid[])
returns void
language sql
security definer
set search_path = ''
as $$
  update public.phoenix_events as e
  set ai_processing_error = s.error
  from jsonb_to_recordset(set_aside) as s (user_id uuid, version bigint, error text)
  where e.user_id = s.user_id and e.version = s.version and s.user_id = any (committed)
$$;

comment on function flywheel.write_dead_letters(jsonb, uuid[]) is
  'Marks the events that committed users leave behind: [ { user_id, version, error } ]. A null error heals one set aside before.';

-- flywheel/write_nudges.sql
create function flywheel.write_nudges(effects jsonb, committed uuid[])
returns bigint
language sql
security definer
set search_path = ''
as $$
  with written as (
    insert into public.phoenix_nudges_sent (
      user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message,
      cta_label, cta_url, causation_id, correlation_id, sent_at, expires_at
    )
    select
      e.user_id, e.effect_id, e.nudge_type, e.app_source, e.target_app, e.variant, e.title, e.message,
      e.cta_label, e.cta_url, e.causation_id, e.correlation_id,
      to_timestamp(e.at / 1000.0), to_timestamp(e.expires_at / 1000.0)
    from jsonb_to_recordset(effects) as e (
      user_id uuid, effect_id uuid, nudge_type text, app_source text, target_app text, variant text, title text,
      message text, cta_label text, cta_url text, causation_id text, correlation_id text, at bigint, expires_at bigint
    )
    where e.user_id = any (committed)
    on conflict do nothing
    returning 1
  )
  select count(*) from written
$$;

comment on function flywheel.write_nudges(jsonb, uuid[]) is
  'Writes the nudges of committed users, each once, whatever is replayed. Times in milliseconds since 1970. Returns how many were new.';

-- flywheel/commit.sql
create function flywheel.commit(token uuid, shape text, results jsonb, effects jsonb)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  committed_at timestamptz := clock_timestamp();
  committed uuid[];
  nudges bigint := 0;
begin
  with result as materialized (
    select r.*
    from jsonb_to_recordset(results)
      as r (user_id uuid, version bigint, wake_at timestamptz, failed boolean)
  ),
  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  held as materialized (
    select s.user_id
    from flywheel.streams as s
    join result as r on r.user_id = s.user_id
    where s.lease_token = commit.token
    order by s.user_id
    for no key update of s
  ),
  done as (
    update flywheel.streams as s
    set
      processed_version = r.version,
      counted_version = greatest(s.counted_version, r.version),
      lease_token = null,
      wake_at = r.wake_at,
      -- A failure beyond the first event of the lease is that event's first one.
      attempts = case
        when not r.failed then 0
        when r.version > s.processed_version then 1
        else s.attempts
      end,
      pending_since = case
        when r.version < s.version then coalesce(next.received_at, committed_at)
      end,
      available_at = case
        when r.failed then committed_at + flywheel.backoff(
          case when r.version > s.processed_version then 1 else s.attempts end
        )
        when r.version < s.version then committed_at
        else r.wake_at
      end
    from held as h
    join result as r on r.user_id = h.user_id
    left join public.phoenix_events as next
      on next.user_id = r.user_id and next.version = r.version + 1
    where s.user_id = h.user_id
    returning s.user_id
  )
  select array_agg(d.user_id) into committed from done as d;

  if committed is null then
    return json_build_object('users', '[]'::json, 'nudges', 0);
  end if;

  insert into flywheel.states as st (user_id, shape, state)
  select r.user_id, commit.shape, r.state
  from jsonb_to_recordset(results) as r (user_id uuid, state jsonb)
  where r.user_id = any (committed)
  on conflict (user_id) do update
  set shape = excluded.shape, state = excluded.state;

  -- Effects are rare: each kind has its writer, called where there is something to write.
  if effects ? 'set_aside' then
    perform flywheel.write_dead_letters(effects -> 'set_aside', committed);
  end if;
  if effects ? 'nudge' then
    nudges := flywheel.write_nudges(effects -> 'nudge', committed);
  end if;

  return json_build_object('users', to_json(committed), 'nudges', nudges);
end
$$;

comment on function flywheel.commit(uuid, text, jsonb, jsonb) is
  'Writes what a worker folded, in one transaction: checkpoints, states of that shape, effects. Users whose lease is no longer the token''s are refused whole, with all their effects. results: [ { user_id, version, state, wake_at, failed } ]. effects: { <kind>: [ { user_id, effect_id, causation_id, correlation_id, at (ms), … } ], set_aside: [ { user_id, version, error } ] }, each written once, whatever is replayed. Returns { users: [ ids committed ], nudges: how many were new }.';

-- flywheel/leave.sql
create function flywheel.leave(token uuid, processed bigint)
returns boolean
language sql
security definer
set search_path = ''
as $$
  update flywheel.worker_slots as w
  set
    token = null,
    expires_at = '-infinity',
    processed_total = w.processed_total + leave.processed
  where w.token = leave.token;

  -- Whoever leaves work behind rings for the next worker.
  select exists (
    select from flywheel.streams as s where s.available_at <= clock_timestamp()
  ) and flywheel.ring()
$$;

comment on function flywheel.leave(uuid, bigint) is
  'Gives a worker''s slot back, adds what it handled to the total, and rings the doorbell if there is work left. Returns whether it rang.';

-- flywheel/queue_status.sql
create function flywheel.queue_status()
returns json
language sql
stable
security definer
set search_path = ''
as $$
  with backlog as (
    select
      coalesce(sum(s.version - s.processed_version), 0) as pending_events,
      count(*) as pending_users,
      count(*) filter (where s.lease_token is not null and s.available_at > clock_timestamp()) as leased_users,
      coalesce(extract(epoch from clock_timestamp() - min(s.pending_since)), 0) as oldest_pending_seconds
    from flywheel.streams as s
    where s.available_at is not null and s.version > s.processed_version
  )
  select json_build_object(
    'status', case
      when b.pending_users = 0 then 'idle'
      when exists (select from flywheel.worker_slots as w where w.expires_at > clock_timestamp()) then 'processing'
      else 'backlogged'
    end,
    'pending_events', b.pending_events,
    'pending_users', b.pending_users,
    'leased_users', b.leased_users,
    'oldest_pending_seconds', round(b.oldest_pending_seconds::numeric, 3),
    'dead_letters', (
      select count(*) from public.phoenix_events as e where e.ai_processing_error is not null
    ),
    'processed_total', (
      select coalesce(sum(w.processed_total), 0) from flywheel.worker_slots as w
    )
  )
  from backlog as b
$$;

comment on function flywheel.queue_status() is
  'How the flywheel stands: { status: idle | processing | backlogged, pending_events, pending_users, leased_users, oldest_pending_seconds, dead_letters, processed_total }.';

-- flywheel/reprocess.sql
create function flywheel.reprocess(
  only_user uuid default null,
  since timestamptz default null,
  only_failed boolean default false
)
returns json
language sql
security definer
set search_path = ''
as $$
  with chosen as materialized (
    select s.user_id
    from flywheel.streams as s
    where (only_user is null or s.user_id = only_user)
      and s.version > 0
      and (
        since is null
        or exists (
          select from public.phoenix_events as e
          where e.user_id = s.user_id and e.received_at >= since
        )
      )
      and (
        not only_failed
        or exists (
          select from public.phoenix_events as e
          where e.user_id = s.user_id
            and e.ai_processing_error is not null
            and (since is null or e.received_at >= since)
        )
      )
    order by s.user_id
    for no key update
  ),
  forgotten as (
    delete from flywheel.states as st using chosen as c where st.user_id = c.user_id
  ),
  rewound as (
    -- Without its token a lease that is out cannot commit any more.
    update flywheel.streams as s
    set
      processed_version = 0,
      lease_token = null,
      attempts = 0,
      wake_at = null,
      pending_since = clock_timestamp(),
      available_at = clock_timestamp()
    from chosen as c
    where s.user_id = c.user_id
    returning s.version
  )
  select json_build_object('users', count(*), 'events', coalesce(sum(r.version), 0)) from rewound as r
$$;

comment on function flywheel.reprocess(uuid, timestamptz, boolean) is
  'Sets users back so that their whole stream is folded anew: one user, those with events received since a time, those with dead letters, or all. A fold has no middle to start from, so it starts at the first event; effects are not written twice. Returns { users, events } rewound.';

-- access/flywheel.sql
revoke all on schema flywheel from public;
grant usage on schema flywheel to service_role;

revoke all on all tables in schema flywheel from public, anon, authenticated, service_role;
grant select on all tables in schema flywheel to service_role;
grant update on flywheel.settings to service_role;

revoke all on all functions in schema flywheel from public, anon, authenticated, service_role;
grant execute on function
  flywheel.publish(jsonb, uuid, jsonb),
  flywheel.enter(),
  flywheel.lease(text),
  flywheel.commit(uuid, text, jsonb, jsonb),
  flywheel.leave(uuid, bigint),
  flywheel.ring(),
  flywheel.mark_nudge(uuid, uuid, text),
  flywheel.queue_status(),
  flywheel.reprocess(uuid, timestamptz, boolean)
to service_role;

alter table flywheel.settings enable row level security;
create policy "Operators read and change the settings" on flywheel.settings
for all to service_role
using (true)
with check (true);

-- access/phoenix_events.sql
revoke all on public.phoenix_events from anon, authenticated, service_role;
grant select on public.phoenix_events to authenticated, service_role;

create policy "Users read their own events" on public.phoenix_events
for select to authenticated
using (user_id = (select auth.uid()));

-- access/phoenix_nudges_sent.sql
revoke all on public.phoenix_nudges_sent from anon, authenticated, service_role;
grant select on public.phoenix_nudges_sent to authenticated, service_role;

create policy "Users read their own nudges" on public.phoenix_nudges_sent
for select to authenticated
using (user_id = (select auth.uid()));

-- access/publish_events.sql
revoke all on function public.publish_events(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.publish_events(jsonb) to authenticated, service_role;
