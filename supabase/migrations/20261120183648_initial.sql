-- extensions.sql
create extension if not exists pgcrypto with schema extensions;

-- The doorbell's voice on Supabase. Where the server has no pg_net, the sweep alone finds the work.
do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_net with schema extensions;
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
  max_batch_bytes integer not null default 1048576 check (max_batch_bytes between 1024 and 1048576),
  max_json_depth integer not null default 32 check (max_json_depth between 4 and 62),
  lease_time interval not null default '60 seconds' check (lease_time between '1 second' and '1 hour'),
  lease_users integer not null default 100 check (lease_users between 1 and 1000),
  lease_events integer not null default 100 check (lease_events between 1 and 5000),
  lease_bytes integer not null default 65536 check (lease_bytes between 1024 and 2097152),
  max_attempts integer not null default 5 check (max_attempts between 2 and 50),
  backoff_base interval not null default '1 second' check (backoff_base between '10 milliseconds' and '1 hour'),
  backoff_max interval not null default '10 minutes' check (backoff_max between '10 milliseconds' and '1 day'),
  backoff_jitter double precision not null default 0.2 check (backoff_jitter between 0 and 1),
  max_workers integer not null default 4 check (max_workers between 1 and 64),
  work_budget interval not null default '5 seconds' check (work_budget between '1 second' and '50 seconds'),
  work_events integer not null default 20000 check (work_events between 1 and 10000000),
  ring_interval interval not null default '50 milliseconds' check (ring_interval between '0' and '10 seconds'),
  linger interval not null default '200 milliseconds' check (linger between '0' and '10 seconds'),
  prune_interval interval not null default '1 minute' check (prune_interval between '0' and '1 day'),
  prune_rows integer not null default 5000 check (prune_rows between 1 and 100000),
  replay_users integer not null default 500 check (replay_users between 1 and 10000),
  reactor_settings jsonb not null default '{}' check (jsonb_typeof(reactor_settings) = 'object'),
  delivery_retries integer not null default 3 check (delivery_retries between 0 and 20),
  delivery_retry_delay text not null default 'min(86400000, exp(2.5 * (retried + 1)) * 1000)'
    check (delivery_retry_delay ~ '^[a-z0-9 ,.+*/%()-]{1,200}$'),
  delivery_timeout interval not null default '30 seconds' check (delivery_timeout between '1 second' and '15 minutes'),
  delivery_parallelism integer not null default 10 check (delivery_parallelism between 1 and 1000),
  delivery_patience interval not null default '2 days' check (delivery_patience between '1 second' and '30 days'),
  check (backoff_base <= backoff_max),
  -- Otherwise a worker would never linger to the end, and hand on for ever.
  check (linger < work_budget)
);

insert into flywheel.settings default values;

alter table flywheel.settings enable row level security;

comment on table flywheel.settings is
  'Every knob of the store and the engine, in one row. Changed by UPDATE, in force from the next call, no deploy needed.';
comment on column flywheel.settings.only_row is 'Keeps the table to one row.';
comment on column flywheel.settings.dedup_window is
  'How long a fingerprint without a publisher''s timestamp counts. Sliding: each duplicate starts it anew.';
comment on column flywheel.settings.future_tolerance is 'How far ahead of the server''s clock an event''s timestamp may be.';
comment on column flywheel.settings.max_batch_events is 'Events in one publication.';
comment on column flywheel.settings.max_batch_bytes is 'Bytes of one publication, as the JSON text that was sent; with its numbers written out it may have twice as many. POST events reads 1 MiB at most, which is the most allowed here.';
comment on column flywheel.settings.max_json_depth is 'Levels of nesting inside one event. POST events reads 64, of which a publication''s list takes two.';
comment on column flywheel.settings.lease_time is
  'How long a lease lasts: of a user''s backlog, of a delivery. A worker at work renews the former in time; one that dies costs this much.';
comment on column flywheel.settings.lease_users is 'Users a worker takes at once.';
comment on column flywheel.settings.lease_events is 'Events of one user that a worker takes at once.';
comment on column flywheel.settings.lease_bytes is
  'Bytes of large payloads of one user, as they are stored, that a worker takes at once; the event that goes beyond them comes too. A compressed payload counts as at least 1024, since it may be as long as a publication. flywheel.lease() itself bounds what a worker takes of all users together.';
comment on column flywheel.settings.max_attempts is 'Times an event that fails is folded before it is set aside.';
comment on column flywheel.settings.backoff_base is 'Wait after the first failed attempt; doubles with each further one.';
comment on column flywheel.settings.backoff_max is 'The longest wait between two attempts.';
comment on column flywheel.settings.backoff_jitter is 'Share of a wait that is random, 0 to 1, so that failures do not return in step.';
comment on column flywheel.settings.max_workers is 'Workers that may drain the backlog at the same time.';
comment on column flywheel.settings.work_budget is
  'Wall-clock time after which a worker hands on to the next. With work_events it keeps a worker far below the 2 s of processor time and the 150 s that Supabase grants a function.';
comment on column flywheel.settings.work_events is 'Events after which a worker hands on; it ends what it has leased.';
comment on column flywheel.settings.ring_interval is 'The doorbell rings at most once in this time; linger covers what it leaves out.';
comment on column flywheel.settings.linger is
  'How long a worker that found nothing more keeps looking before it leaves. Longer than ring_interval, and shorter than work_budget.';
comment on column flywheel.settings.prune_interval is 'How long pruning rests once no old fingerprint is left.';
comment on column flywheel.settings.prune_rows is 'Fingerprints that are pruned at once.';
comment on column flywheel.settings.replay_users is
  'Users that a replay sets back at once. The next follow when nothing is due: when these are folded, or leased.';
comment on column flywheel.settings.reactor_settings is
  'The reactors'' knobs that differ from their defaults, such as { "nudges": { "holdout": 0 } }; docs/nudges.md names them all. A change counts for what happens from then on, a replay included: flywheel.settings_changes remembers.';
comment on column flywheel.settings.delivery_retries is
  'How often QStash tries again to deliver to an app. Its plans have a limit, which refuses more.';
comment on column flywheel.settings.delivery_retry_delay is
  'The wait before a retry, as QStash''s expression in milliseconds. As it stands it is QStash''s own: 12 s, 2 min 28 s, 30 min, ….';
comment on column flywheel.settings.delivery_timeout is 'How long an app may take to answer a delivery.';
comment on column flywheel.settings.delivery_parallelism is
  'How many deliveries QStash makes at a time from a queue that the deliverer created. One that fails holds its place until its retries end: with 1, one bad delivery holds up all others.';
comment on column flywheel.settings.delivery_patience is
  'How long QStash may be silent about a delivery before it is published again, under the same id. Longer than the longest wait between two of its attempts.';

-- flywheel/settings_changes.sql
create table flywheel.settings_changes (
  changed_at timestamptz primary key,
  reactor_settings jsonb not null
);

insert into flywheel.settings_changes (changed_at, reactor_settings)
select '-infinity', s.reactor_settings from flywheel.settings as s;

alter table flywheel.settings_changes enable row level security;

comment on table flywheel.settings_changes is
  'What settings.reactor_settings has been and from when on, so that a replay folds each event by the settings of its day.';
comment on column flywheel.settings_changes.changed_at is 'From when it counts; -infinity for what was there first.';
comment on column flywheel.settings_changes.reactor_settings is 'What settings.reactor_settings became.';

-- flywheel/remember_settings.sql
create function flywheel.remember_settings()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- Waits for every lease that has not seen the change, and holds up every other: what the first read was received before it, what
  -- the others read, after.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.settings_changes', 0));
  insert into flywheel.settings_changes (changed_at, reactor_settings)
  -- Later than every other, even where the clock was set back: the last change is the one that stays.
  select greatest(clock_timestamp(), max(c.changed_at) + interval '1 microsecond'), new.reactor_settings
  from flywheel.settings_changes as c;
  return null;
end
$$;

comment on function flywheel.remember_settings() is 'Notes a change of the reactors'' settings and when it was made, which is when it is committed: until then nobody folds by it. Leases wait for that commit alone.';

create constraint trigger remember_settings
after update of reactor_settings on flywheel.settings
deferrable initially deferred
for each row
when (old.reactor_settings is distinct from new.reactor_settings)
execute function flywheel.remember_settings();

comment on trigger remember_settings on flywheel.settings is
  'The reactors'' settings have a history, since a replay needs those of each event''s day.';

-- flywheel/settings_history.sql
create function flywheel.settings_history()
returns json
language sql
stable
set search_path = ''
as $$
  select coalesce(
    json_agg(
      json_build_object(
        'changed_at',
        case when isfinite(c.changed_at) then floor(extract(epoch from c.changed_at) * 1000) else 0 end,
        'said', c.reactor_settings
      )
      order by c.changed_at
    ),
    '[]'
  )
  from flywheel.settings_changes as c
$$;

comment on function flywheel.settings_history() is
  'What the reactors'' settings have been, oldest first: [ { changed_at (ms since 1970), said } ]. Of these the last one that the schema allows is in force, which only the reader can tell.';

-- flywheel/settings_changed_at.sql
create function flywheel.settings_changed_at()
returns double precision
language plpgsql
stable
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return (
    select case
      when isfinite(max(c.changed_at)) then (extract(epoch from max(c.changed_at)) * 1000000)::double precision
      else 0
    end
    from flywheel.settings_changes as c
  );
end
$$;

comment on function flywheel.settings_changed_at() is
  'When the reactors'' settings were changed last, in microseconds since 1970: whoever has read flywheel.settings_history() up to then knows it all.';

-- store/phoenix_events.sql
create table public.phoenix_events (
  user_id uuid not null,
  version bigint not null,
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
-- With the beginning of the fingerprint, to find one event among many of the same time, as when a publisher knows only days.
create index phoenix_events_timestamp on public.phoenix_events (user_id, "timestamp", substring(event_hash, 1, 4));
create index phoenix_events_dead_letters on public.phoenix_events (user_id, version)
where ai_processing_error is not null;

-- Says that a user has twenty events, whatever ANALYZE counts: if most users had one, a plan might go by the user alone, and read
-- all events of a user who has many.
alter table public.phoenix_events alter column user_id set (n_distinct = -0.05);

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
comment on column public.phoenix_events.received_at is 'When the store appended it. Grows with version, unless the database''s clock was set back by more than settings.future_tolerance.';
comment on column public.phoenix_events.event_hash is 'The fingerprint: SHA-256, 32 bytes; flywheel.read_envelopes() says over what.';
comment on column public.phoenix_events.ai_processing_error is
  'Why the event was set aside as a dead letter; null where it was folded or awaits folding.';

-- store/streams.sql
create table flywheel.streams (
  user_id uuid primary key,
  version bigint not null default 0,
  processed_version bigint not null default 0,
  folded_version bigint not null default 0,
  counted_version bigint not null default 0,
  available_at timestamptz,
  wake_at timestamptz,
  pending_since timestamptz,
  reached_at timestamptz not null default '-infinity',
  latest_at timestamptz,
  latest_before timestamptz,
  lease_token uuid,
  attempts integer not null default 0,
  has_aliases boolean not null default false,
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
comment on column flywheel.streams.folded_version is 'The highest checkpoint ever reached. A replay leaves it.';
comment on column flywheel.streams.counted_version is
  'The last version that the rollups count: folded_version, or less where late events are still to be counted, while their backlog is folded and, of a long stream, a while afterwards. A replay leaves it.';
comment on column flywheel.streams.available_at is
  'When a worker should look at this stream: now for a backlog, the end of a lease, the next attempt, or the next timer. Null: nothing to do.';
comment on column flywheel.streams.wake_at is 'The earliest timer the fold asked for, or, where events are still to be counted, the time to count them, whichever comes first.';
comment on column flywheel.streams.pending_since is 'Since when the backlog has waited: when its first event was received, or a replay set it back.';
comment on column flywheel.streams.reached_at is
  'When the last event was received, or the stream was leased last: whatever is appended next is received later, as flywheel.received_after() says, even where the clock was set back a little.';
comment on column flywheel.streams.latest_at is
  'The latest time that a publisher, or flywheel.tell(), gave to an event: what is published with a later one cannot be in the log yet, unless under a known event_id. Null where none was given.';
comment on column flywheel.streams.latest_before is 'latest_at before the last publication, by which that tells whether it is later. Means nothing until the user''s second publication.';
comment on column flywheel.streams.lease_token is 'The lease in force, or the last one that was not given back.';
comment on column flywheel.streams.attempts is 'How often the first event of this backlog, or the timer that is due, has been leased without a commit beyond it: a lease in force counts.';
comment on column flywheel.streams.has_aliases is 'Whether flywheel.aliases has any event_id of this user. Where it has none, an event that is later than all others need not be looked up there.';

-- store/received_after.sql
create function flywheel.received_after(reached_at timestamptz)
returns timestamptz
language plpgsql
set search_path = ''
as $$
declare
  moment timestamptz := clock_timestamp();
begin
  return greatest(
    moment,
    (
      select case
        -- A whole millisecond, since a fold reads no less: what is later is later there, too.
        when received_after.reached_at <= moment + s.future_tolerance then received_after.reached_at + interval '1 millisecond'
      end
      from flywheel.settings as s
    )
  );
end
$$;

comment on function flywheel.received_after(timestamptz) is
  'When something is received by a stream that has reached that time already, since the clock was set back: a moment later, unless it was set back by more than settings.future_tolerance; then the clock counts anew. Whoever appends calls it only where the clock is not beyond reached_at.';

-- store/states.sql
create table flywheel.states (
  user_id uuid primary key,
  shape text not null,
  state json not null
)
with (
  fillfactor = 70,
  toast_tuple_target = 8160,
  autovacuum_vacuum_scale_factor = 0.02,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

alter table flywheel.states enable row level security;

comment on table flywheel.states is
  'The fold so far, one row a user. Apart from streams, so that publishing never copies it.';
comment on column flywheel.states.user_id is 'The stream''s owner.';
comment on column flywheel.states.shape is
  'The versions of the reactors, and of the counting, that wrote the state; a state of another shape is folded anew from the first event.';
comment on column flywheel.states.state is 'What each reactor remembers, by reactor name. It is written and read whole, so it is kept as the text it came as; what fits a page is not compressed.';

-- store/fingerprints.sql
create table flywheel.fingerprints (
  user_id uuid not null,
  fingerprint bytea not null,
  event_id uuid not null,
  seen_at timestamptz not null,
  primary key (user_id, fingerprint)
)
with (fillfactor = 90);

create index fingerprints_seen_at on flywheel.fingerprints (seen_at);

alter table flywheel.fingerprints enable row level security;

comment on table flywheel.fingerprints is 'Which publications without a publisher''s timestamp were seen lately, and as which event. Pruned after the dedup window. With a timestamp a fingerprint counts for ever: the log remembers it by phoenix_events.event_hash.';
comment on column flywheel.fingerprints.user_id is 'Whose event.';
comment on column flywheel.fingerprints.fingerprint is 'SHA-256; flywheel.read_envelopes() says over what.';
comment on column flywheel.fingerprints.event_id is 'The first publication''s event_id.';
comment on column flywheel.fingerprints.seen_at is 'The last publication of it; the dedup window runs from here.';

-- store/aliases.sql
create table flywheel.aliases (
  user_id uuid not null,
  event_id uuid not null,
  fingerprint bytea not null,
  first_event_id uuid not null,
  primary key (user_id, event_id)
);

alter table flywheel.aliases enable row level security;

comment on table flywheel.aliases is 'The event_ids that publishers gave to events which the log already had under another one. Kept as long as the user''s events, since an event_id stands for the same event for ever.';
comment on column flywheel.aliases.user_id is 'Whose event.';
comment on column flywheel.aliases.event_id is 'What the later publication called it.';
comment on column flywheel.aliases.fingerprint is 'SHA-256 of what was published under it; flywheel.read_envelopes() says over what.';
comment on column flywheel.aliases.first_event_id is 'What the log calls it: phoenix_events.event_id.';

-- store/envelope.sql
create type flywheel.envelope as (
  event_type text,
  app_source text,
  source_app text,
  payload jsonb,
  data jsonb,
  metadata jsonb,
  event_id uuid,
  user_id uuid,
  "timestamp" timestamptz,
  correlation_id text,
  causation_id text,
  session_id text
);

comment on type flywheel.envelope is
  'The fields of a publication, those of Aube''s own envelope included. flywheel.envelope_issues() says what they have to be.';

-- store/incoming_event.sql
create type flywheel.incoming_event as (
  user_id uuid,
  event_id uuid,
  is_id_given boolean,
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
  'One publication as flywheel.read_envelopes() understood it. A null timestamp means that the publisher gave none; is_id_given says whether the publisher gave the event_id; issues, as field=message, mean that it is refused.';

-- store/verdict.sql
create type flywheel.verdict as (event_id uuid, status text);

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
declare
  written text collate "C" := value::text;
begin
  -- All of it at once, as text: to take a value apart and build it anew takes time with the square of the number of its keys.
  if written is not nfc normalized then
    -- An escape ends in a letter or a digit, which must not be composed with an accent that follows. So they are kept apart by a
    -- character that JSON text never holds as it is.
    written := replace(
      normalize(regexp_replace(written, '\\(u[0-9a-f]{4}|.)', '\&' || chr(31), 'g'), nfc),
      chr(31),
      ''
    );
  end if;
  if written ~ '\.[0-9]*0[],}]' then
    -- Zeros at the end of a fraction, but for those in texts.
    written := regexp_replace(
      written, '("(?:[^"\\]|\\.)*")|(\.[0-9]*[1-9])0+(?![0-9])|\.0+(?![0-9])', '\1\2', 'g'
    );
  end if;
  return written::jsonb;
end
$$;

comment on function flywheel.canonical_json(jsonb) is
  'The same JSON with text and keys in NFC and numbers without trailing zeros, so that equal content has equal text. Of two spellings of a key the last in jsonb''s order counts: the one with more bytes or, of two as long, the greater. Key order and number forms such as 1e0 are jsonb''s own business.';

-- store/json_flaw.sql
create function flywheel.json_flaw(event jsonb, max_depth integer)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  beyond_double constant jsonpath :=
    '$.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))';
begin
  if jsonb_path_exists(event, format('$.**{%s}', max_depth + 1)::jsonpath) then
    return format('event=is nested more than %s levels deep', max_depth);
  elsif jsonb_path_exists(event, beyond_double) then
    return coalesce(
      (
        select nullif(left(min(f.key), 100), '')
        from jsonb_each(case when jsonb_typeof(event) = 'object' then event end) as f
        where jsonb_path_exists(f.value, beyond_double)
      ),
      'event'
    ) || '=holds a number beyond the range of a double';
  end if;
  return null;
end
$$;

comment on function flywheel.json_flaw(jsonb, integer) is
  'What keeps a publication from being stored and read back by every client, as field=message, or null: too deep a nesting, or a number that a double cannot hold.';

-- store/envelope_issues.sql
create function flywheel.envelope_issues(events jsonb, publishers uuid[], refused jsonb, settings flywheel.settings)
returns jsonb
language plpgsql
stable
set search_path = ''
-- A time without an offset is UTC, whatever the session's time zone.
set timezone = 'UTC'
as $$
begin
  return (
    select coalesce(jsonb_object_agg(e.place, i.issues), '{}')
    from jsonb_array_elements(events) with ordinality as e (event, place)
    cross join lateral (
      select
        coalesce(nullif(event -> 'app_source', 'null'), event -> 'source_app') as app_sent,
        coalesce(nullif(event -> 'payload', 'null'), nullif(event -> 'data', 'null'), '{}') as payload,
        coalesce(event ->> 'user_id', publishers[place]::text) as owner_sent,
        case
          when jsonb_typeof(event) <> 'object' then 'event=must be an object'
          else flywheel.json_flaw(event, settings.max_json_depth)
        end as flaw
    ) as f
    cross join lateral (
      select
        regexp_replace(f.app_sent #>> '{}', '^phoenix_', '') as app,
        regexp_replace(event ->> 'source_app', '^phoenix_', '') as source_app
    ) as a
    cross join lateral (
      select
        case
          when f.flaw is not null then array[f.flaw]
          else array_remove(
            array[
              case
                when jsonb_typeof(event -> 'event_type') is distinct from 'string'
                  then 'event_type=is required and must be text'
                when length(event ->> 'event_type') > 100
                  then 'event_type=must be 100 characters at most'
                when event ->> 'event_type' !~ ('^[[:alnum:]_]+(\.[[:alnum:]_]+)*$' collate pg_catalog.pg_c_utf8)
                  then 'event_type=must be letters, digits and _ in parts joined by a dot'
              end,
              case
                when jsonb_typeof(f.app_sent) is distinct from 'string'
                  then 'app_source=is required and must be text'
                when a.app !~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$' or length(a.app) > 50
                  then 'app_source=must be a slug: lower-case letters and digits, parts joined by - or _, 50 characters at most'
                when a.app = 'flywheel'
                  then 'app_source=is the flywheel''s own: nobody publishes in its name'
                when a.app <> a.source_app
                  then 'source_app=differs from app_source'
              end,
              case
                when jsonb_typeof(f.payload) <> 'object' then 'payload=must be an object'
                when f.payload <> nullif(event -> 'data', 'null') then 'data=differs from payload'
              end,
              case
                when jsonb_typeof(event -> 'metadata') not in ('object', 'null') then 'metadata=must be an object'
              end,
              case
                when jsonb_typeof(event -> 'event_id') not in ('string', 'null')
                  or not pg_input_is_valid(event ->> 'event_id', 'uuid')
                  then 'event_id=must be a UUID'
              end,
              case
                when f.owner_sent is null
                  then 'user_id=is required with a secret key'
                when jsonb_typeof(event -> 'user_id') not in ('string', 'null')
                  or not pg_input_is_valid(f.owner_sent, 'uuid')
                  then 'user_id=must be a UUID'
                when f.owner_sent::uuid <> publishers[place]
                  then 'user_id=is not yours: a user publishes as themself'
              end,
              case
                when jsonb_typeof(event -> 'timestamp') not in ('string', 'null')
                  or event ->> 'timestamp' !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$'
                  or not pg_input_is_valid(event ->> 'timestamp', 'timestamptz')
                  then 'timestamp=must be an ISO 8601 date and time'
                when (event ->> 'timestamp')::timestamptz < '0001-01-01T00:00:00Z'
                  then 'timestamp=must not lie before the year 1 in UTC'
                when (event ->> 'timestamp')::timestamptz > clock_timestamp() + settings.future_tolerance
                  then format(
                    'timestamp=is more than %s seconds ahead of the clock here, %s',
                    extract(epoch from settings.future_tolerance)::integer,
                    to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                  )
              end,
              case
                when jsonb_typeof(event -> 'correlation_id') not in ('string', 'null')
                  or length(event ->> 'correlation_id') > 200
                  then 'correlation_id=must be text of 200 characters at most'
              end,
              case
                when jsonb_typeof(event -> 'causation_id') not in ('string', 'null')
                  or length(event ->> 'causation_id') > 200
                  then 'causation_id=must be text of 200 characters at most'
              end,
              case
                when jsonb_typeof(event -> 'session_id') not in ('string', 'null')
                  or length(event ->> 'session_id') > 200
                  then 'session_id=must be text of 200 characters at most'
              end
            ],
            null
          )
          || array(
            select coalesce(nullif(left(k.key, 100), ''), 'event') || '=is no field of the envelope: put it into payload or metadata'
            from jsonb_object_keys(
              jsonb_strip_nulls(event) - array[
                'event_type', 'app_source', 'source_app', 'payload', 'data', 'event_id', 'user_id', 'timestamp',
                'partition_key', 'correlation_id', 'causation_id', 'session_id', 'metadata'
              ]
            ) as k (key)
            order by k.key
            limit 20
          )
        end
        || array(
          select format('%s=%s', r.value ->> 'field', r.value ->> 'message')
          from jsonb_array_elements(refused -> (e.place - 1)::text) as r
        ) as issues
    ) as i
    where i.issues <> '{}'
  );
end
$$;

comment on function flywheel.envelope_issues(jsonb, uuid[], jsonb, flywheel.settings) is
  'The envelope''s rules, with their messages. Publications that flywheel.read_envelopes() or shared/domain/events/plain-event.ts finds fine do not come here: a rule that is made stricter must be made so there, too. Returns { place from 1: [ "field=message" ] } for those of an array of publications that are refused. publishers: for each, the user who publishes, or null for a secret key; null where all were sent with one. refused: { index from 0: [ { field, message } ] }, what the caller already found.';

-- store/refuse_endless_numbers.sql
create function flywheel.refuse_endless_numbers(sent jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_path_exists(
    sent,
    '$.** ? (@.type() == "number") ? (@ != 0 && (@.abs() > 1e400 || @.abs() < 1e-400))'
  ) then
    raise exception using
      errcode = 'PT413', message = 'A number of the publication is too long when written out.', detail = 'body_too_large';
  end if;
end
$$;

comment on function flywheel.refuse_endless_numbers(jsonb) is
  'Raises PT413 body_too_large for a number of a few characters that would be hundreds or thousands of them when written out, such as 1e-9999: before anything writes it out.';

-- store/refuse_long.sql
create function flywheel.refuse_long(written text, settings flywheel.settings)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if octet_length(written) > 2 * settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most with its numbers written out.', 2 * settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;
end
$$;

comment on function flywheel.refuse_long(text, flywheel.settings) is
  'Raises PT413 body_too_large where a publication is more than twice settings.max_batch_bytes as jsonb writes it: a number such as 1e300 is small until it is written out, here and for everyone who reads it.';

-- store/refuse_mark_runs.sql
create function flywheel.refuse_mark_runs(written text)
returns void
language plpgsql
immutable
set search_path = ''
as $$
declare
  -- Every character of Unicode 14 whose canonical combining class is not 0.
  marks constant text :=
    '\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670'
    '\u06d6-\u06dc\u06df-\u06e4\u06e7-\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07eb-\u07f3\u07fd\u0816-\u0819'
    '\u081b-\u0823\u0825-\u0827\u0829-\u082d\u0859-\u085b\u0898-\u089f\u08ca-\u08ff\u093c\u094d\u0951-\u0954\u09bc'
    '\u09cd\u09fe\u0a3c-\u0a4d\u0abc\u0acd\u0b3c\u0b4d\u0bcd\u0c3c\u0c4d-\u0c56\u0cbc\u0ccd\u0d3b-\u0d3c\u0d4d\u0dca'
    '\u0e38-\u0e3a\u0e48-\u0e4b\u0eb8-\u0eba\u0ec8-\u0ecb\u0f18-\u0f19\u0f35\u0f37\u0f39\u0f71-\u0f84\u0f86-\u0f87'
    '\u0fc6\u1037-\u103a\u108d\u135d-\u135f\u1714-\u1715\u1734\u17d2\u17dd\u18a9\u1939-\u193b\u1a17-\u1a18'
    '\u1a60-\u1a7f\u1ab0-\u1ace\u1b34-\u1b44\u1b6b-\u1b73\u1baa-\u1bab\u1be6-\u1bf3\u1c37\u1cd0-\u1cd2\u1cd4-\u1ce8'
    '\u1ced\u1cf4\u1cf8-\u1cf9\u1dc0-\u1dff\u20d0-\u20f0\u2cef-\u2cf1\u2d7f\u2de0-\u2dff\u302a-\u302f\u3099-\u309a'
    '\ua66f\ua674-\ua67d\ua69e-\ua69f\ua6f0-\ua6f1\ua806\ua82c\ua8c4\ua8e0-\ua8f1\ua92b-\ua92d\ua953\ua9b3-\ua9c0'
    '\uaab0\uaab2-\uaab4\uaab7-\uaab8\uaabe-\uaabf\uaac1\uaaf6\uabed\ufb1e\ufe20-\ufe2f\U000101fd\U000102e0'
    '\U00010376-\U0001037a\U00010a0d-\U00010a0f\U00010a38-\U00010a3f\U00010ae5-\U00010ae6\U00010d24-\U00010d27'
    '\U00010eab-\U00010eac\U00010f46-\U00010f50\U00010f82-\U00010f85\U00011046\U00011070\U0001107f'
    '\U000110b9-\U000110ba\U00011100-\U00011102\U00011133-\U00011134\U00011173\U000111c0\U000111ca'
    '\U00011235-\U00011236\U000112e9-\U000112ea\U0001133b-\U0001133c\U0001134d\U00011366-\U00011374'
    '\U00011442-\U00011446\U0001145e\U000114c2-\U000114c3\U000115bf-\U000115c0\U0001163f\U000116b6-\U000116b7'
    '\U0001172b\U00011839-\U0001183a\U0001193d-\U0001193e\U00011943\U000119e0\U00011a34\U00011a47\U00011a99\U00011c3f'
    '\U00011d42-\U00011d45\U00011d97\U00016af0-\U00016af4\U00016b30-\U00016b36\U00016ff0-\U00016ff1\U0001bc9e'
    '\U0001d165-\U0001d169\U0001d16d-\U0001d182\U0001d185-\U0001d18b\U0001d1aa-\U0001d1ad\U0001d242-\U0001d244'
    '\U0001e000-\U0001e02a\U0001e130-\U0001e136\U0001e2ae\U0001e2ec-\U0001e2ef\U0001e8d0-\U0001e8d6'
    '\U0001e944-\U0001e94a';
begin
  if written ~ ('[' || marks || ']{31}' collate pg_catalog."C") then
    raise exception using
      errcode = 'PT400', message = 'A text holds more than 30 combining marks in a row.', detail = 'invalid_value';
  end if;
end
$$;

comment on function flywheel.refuse_mark_runs(text) is
  'Raises PT400 invalid_value where a text has more combining marks in a row than any language writes (30, as in the Stream-Safe Text Format of UAX #15): to bring them into their canonical order takes time with the square of their number, and cannot be interrupted.';

-- store/read_envelopes.sql
create function flywheel.read_envelopes(
  body text,
  sent jsonb,
  publishers uuid[],
  refused jsonb,
  settings flywheel.settings
)
returns flywheel.incoming_event[]
language plpgsql
set search_path = ''
-- A time without an offset is UTC, whatever the session's time zone.
set timezone = 'UTC'
as $$
declare
  written text collate "C";
  events jsonb := sent;
  issues jsonb;
  event jsonb;
  fields flywheel.envelope;
  app text;
  payload jsonb;
  incoming flywheel.incoming_event[] := '{}';
begin
  -- Most publications are canonical as they come: one look at the text spares each event the careful way. Below U+0300 all
  -- text is in NFC.
  if body ~ '\.[0-9]*0[],}\s]|[\s:,[]-?[0-9.]+[eE]|[0-9]{60}|[^\u0001-\u02ff]|\\u' collate "C" then
    perform flywheel.refuse_endless_numbers(sent);
    written := sent::text;
    perform flywheel.refuse_mark_runs(written);
    perform flywheel.refuse_long(written, settings);
  end if;

  if written is not null and (written is not nfc normalized or written ~ '\.[0-9]*0[],} ]|[0-9]{60}') then
    select jsonb_agg(
      case
        when flywheel.json_flaw(e.value, settings.max_json_depth) is null then flywheel.canonical_json(e.value)
        else e.value
      end
      order by e.ordinality
    )
    into events
    from jsonb_array_elements(sent) with ordinality as e;
    issues := flywheel.envelope_issues(events, publishers, refused, settings);
  -- Few are nested deeper than the least that max_json_depth can be.
  elsif refused <> '{}' or jsonb_path_exists(events, '$.**{6}') then
    issues := flywheel.envelope_issues(events, publishers, refused, settings);
  end if;

  loop
    -- One by one and without a query: to start one takes longer than to read an event.
    begin
      for place in 1 .. jsonb_array_length(events) loop
        if issues is not null and issues ? place::text then
          incoming[place].issues := array(select jsonb_array_elements_text(issues -> place::text));
          continue;
        end if;

        event := events -> (place - 1);
        fields := jsonb_populate_record(null::flywheel.envelope, event);
        app := coalesce(fields.app_source, fields.source_app);
        if starts_with(app, 'phoenix_') then
          app := substr(app, 9);
        end if;
        payload := coalesce(fields.payload, fields.data, '{}');

        -- One look passes what nearly every client sends. At the first event that it does not pass, the rules are asked.
        exit when issues is null and (
          event - array[
            'event_type', 'app_source', 'payload', 'event_id', 'user_id', 'timestamp', 'correlation_id', 'causation_id',
            'session_id', 'metadata'
          ] = '{}'
          and jsonb_path_match(
            event,
            '$.event_type.type() == "string" && $.app_source.type() == "string"
              && !($.event_id.type() != "string" && $.event_id.type() != "null")
              && !($.user_id.type() != "string" && $.user_id.type() != "null")
              && !($.timestamp.type() != "string" && $.timestamp.type() != "null")
              && !($.correlation_id.type() != "string" && $.correlation_id.type() != "null")
              && !($.causation_id.type() != "string" && $.causation_id.type() != "null")
              && !($.session_id.type() != "string" && $.session_id.type() != "null")'
          )
          and jsonb_typeof(payload) = 'object'
          and (fields.metadata is null or jsonb_typeof(fields.metadata) = 'object')
          and fields.event_type ~ ('^[[:alnum:]_]+(\.[[:alnum:]_]+)*$' collate pg_catalog.pg_c_utf8)
          and app ~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$'
          and app <> 'flywheel'
          and length(app) <= 50
          and greatest(
            length(fields.event_type), length(fields.correlation_id), length(fields.causation_id), length(fields.session_id)
          ) <= 100
          and coalesce(event ->> 'timestamp' ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$', true)
          and coalesce(fields."timestamp" <= clock_timestamp() + settings.future_tolerance, true)
          and case
            when publishers[place] is null then fields.user_id is not null
            else coalesce(fields.user_id = publishers[place], true)
          end
        ) is not true;

        incoming[place] := row(
          coalesce(fields.user_id, publishers[place]),
          coalesce(fields.event_id, gen_random_uuid()),
          fields.event_id is not null,
          fields.event_type,
          app,
          payload,
          coalesce(nullif(fields.metadata, 'null'), '{}'),
          -- Left empty, as by a client whose field is blank, they refer to nothing.
          nullif(fields.correlation_id, ''),
          nullif(fields.causation_id, ''),
          nullif(fields.session_id, ''),
          fields."timestamp",
          -- The fingerprint: SHA-256 over user, type, app, canonical payload and the publisher's time, where it gave one,
          -- separated by the unit separator, which none of them can contain.
          sha256(
            convert_to(
              concat_ws(
                chr(31),
                coalesce(fields.user_id, publishers[place]), fields.event_type, app, payload, extract(epoch from fields."timestamp")
              ),
              'UTF8'
            )
          ),
          '{}'
        )::flywheel.incoming_event;
      end loop;
    exception
      when data_exception then
        if issues is not null then
          raise;
        end if;
    end;
    exit when cardinality(incoming) = jsonb_array_length(events);
    issues := flywheel.envelope_issues(events, publishers, refused, settings);
  end loop;
  return incoming;
end
$$;

comment on function flywheel.read_envelopes(text, jsonb, uuid[], jsonb, flywheel.settings) is
  'Reads an array of publications, accepts Aube''s field names (source_app, data, partition_key), and returns each in canonical form, with an event_id, or with its issues. body: the text that they were sent in. publishers: for each, the user who publishes, or null for a secret key; null where all were sent with one. refused: { index from 0: [ { field, message } ] }, what the caller already found. Raises PT413, and PT400 for what nobody could normalise.';

-- store/remember_aliases.sql
create function flywheel.remember_aliases(incoming flywheel.incoming_event[], verdicts flywheel.verdict[])
returns void
language plpgsql
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
  with remembered as (
    insert into flywheel.aliases as a (user_id, event_id, fingerprint, first_event_id)
    select
      (incoming[p]).user_id, (incoming[p]).event_id, (incoming[p]).fingerprint, (verdicts[p]).event_id
    from generate_subscripts(incoming, 1) as p
    where (incoming[p]).is_id_given
      and (verdicts[p]).status = 'duplicate'
      and (verdicts[p]).event_id <> (incoming[p]).event_id
    on conflict (user_id, event_id) do nothing
    returning a.user_id
  )
  update flywheel.streams as s
  set has_aliases = true
  where s.user_id = any (array(select r.user_id from remembered as r)) and not s.has_aliases;
end
$$;

comment on function flywheel.remember_aliases(flywheel.incoming_event[], flywheel.verdict[]) is
  'Keeps the event_ids that publishers gave to duplicates of what the log has under another one, so that they stand for it from now on. The caller has locked the streams.';

-- store/knows_alias.sql
create function flywheel.knows_alias(owner uuid, event_ids uuid[])
returns boolean
language plpgsql
-- Not stable: it has to see what was committed until the streams were locked, whenever the caller's statement began.
volatile
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
as $$
begin
  return exists (
    select from flywheel.aliases as a
    where a.user_id = owner and a.event_id = any (event_ids)
  );
end
$$;

comment on function flywheel.knows_alias(uuid, uuid[]) is
  'Whether one of these event_ids is an alias of a user''s. Called only for users of whom streams.has_aliases says that they have one: to call it for everybody would cost more than it finds.';

-- store/judge.sql
create function flywheel.judge(incoming flywheel.incoming_event[], seen_at timestamptz, dedup_window interval)
returns flywheel.verdict[]
language plpgsql
-- Not stable: it has to see what was committed until the streams were locked, whenever the caller's statement began.
volatile
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The plan must not depend on what the tables held when it was made: always by index, one by one.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
-- What is switched off counts as so expensive that compiling would seem to pay.
set jit = off
as $$
begin
  return array(
    select
      row(
        case
          when e.event_hash is not null or a.fingerprint <> i.fingerprint then i.event_id
          else coalesce(a.first_event_id, same.event_id, f.event_id, i.event_id)
        end,
        case
          when coalesce(e.event_hash, a.fingerprint) <> i.fingerprint then 'rejected'
          when coalesce(e.event_id, a.event_id, same.event_id, f.event_id) is not null then 'duplicate'
          else 'accepted'
        end
      )::flywheel.verdict
    from unnest(incoming) with ordinality as i (
      user_id, event_id, is_id_given, event_type, app_source, payload, metadata, correlation_id, causation_id, session_id,
      "timestamp", fingerprint, issues, place
    )
    left join public.phoenix_events as e
      on e.user_id = i.user_id and e.event_id = i.event_id
    left join flywheel.aliases as a
      on a.user_id = i.user_id and a.event_id = i.event_id
    -- With a publisher's time a fingerprint counts for ever, and the log remembers it; without, for the window.
    left join public.phoenix_events as same
      on same.user_id = i.user_id
      and same."timestamp" = i."timestamp"
      and substring(same.event_hash, 1, 4) = substring(i.fingerprint, 1, 4)
      and same.event_hash = i.fingerprint
    left join flywheel.fingerprints as f
      on f.user_id = i.user_id
      and f.fingerprint = case when i."timestamp" is null then i.fingerprint end
      -- What was seen later than that is from before the clock was set back.
      and f.seen_at > judge.seen_at - dedup_window
      and f.seen_at < judge.seen_at + dedup_window
    order by i.place
  );
end
$$;

comment on function flywheel.judge(flywheel.incoming_event[], timestamptz, interval) is
  'A verdict on each of some publications, no two of which are alike, by what the log already has, in the order given. seen_at: when they are seen, from which the dedup window reaches as far back as ahead. The caller has locked their streams.';

-- store/append_event.sql
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

-- store/append_events.sql
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

-- store/append.sql
create function flywheel.append(incoming flywheel.incoming_event[], dedup_window interval)
returns flywheel.verdict[]
language plpgsql
set search_path = ''
-- Otherwise each batch would be planned anew, for its length.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  fine flywheel.incoming_event[];
  has_issues boolean;
  is_entangled boolean;
  verdicts flywheel.verdict[] := '{}';
  place integer;
  quiet_until text := coalesce(current_setting('flywheel.quiet_until', true), '');
begin
  select
    count(i.fingerprint) < count(*),
    count(distinct i.fingerprint) < count(*) or count(distinct i.event_id) < count(*)
  into has_issues, is_entangled
  from (
    select (incoming[p]).fingerprint, (incoming[p]).event_id
    from generate_subscripts(incoming, 1) as p
  ) as i;

  if has_issues then
    fine := array(select i::flywheel.incoming_event from unnest(incoming) as i where i.issues = '{}');
    verdicts := case when cardinality(fine) > 0 then flywheel.append(fine, dedup_window) end;
    return array(
      select
        case
          when i.issues = '{}' then verdicts[(count(*) filter (where i.issues = '{}') over (order by i.ordinality))::integer]
        end
      from unnest(incoming) with ordinality as i
      order by i.ordinality
    );
  end if;

  if not is_entangled then
    return flywheel.append_events(incoming, dedup_window);
  end if;

  -- What becomes of the second of two like events depends on the first, so each waits for the one before. In order of
  -- users, so that two batches cannot deadlock. A ring holds the bell until the transaction ends, and nobody else can ring
  -- meanwhile: so it waits until all streams are locked.
  perform set_config('flywheel.quiet_until', 'Infinity', true);
  for place in
    select p from generate_subscripts(incoming, 1) as p order by (incoming[p]).user_id, p
  loop
    verdicts[place] := flywheel.append_event(incoming[place], dedup_window);
  end loop;
  perform set_config('flywheel.quiet_until', quiet_until, true);
  if quiet_until <> 'Infinity' then
    perform flywheel.ring();
  end if;
  return verdicts;
end
$$;

comment on function flywheel.append(flywheel.incoming_event[], interval) is
  'Deduplicates and appends publications, in their order for each user. The streams stay locked until the transaction ends. Returns a verdict on each, in the order given; null for one with issues.';

-- store/expect_version.sql
create function flywheel.expect_version(
  incoming flywheel.incoming_event[],
  verdicts flywheel.verdict[],
  expected jsonb
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  users uuid[] := array(select distinct i.user_id from unnest(incoming) as i where i.issues = '{}');
  accepted bigint := (select count(*) from unnest(verdicts) as v where v.status = 'accepted');
  duplicates bigint := (select count(*) from unnest(verdicts) as v where v.status = 'duplicate');
  refusal text;
  actual bigint;
begin
  if cardinality(users) > 1
    or (case when jsonb_typeof(expected) = 'number' then expected::numeric % 1 <> 0 else true end)
  then
    raise exception using
      errcode = 'PT400',
      message = 'expected_version must be a whole number, and goes with events of one user.',
      detail = 'invalid_expected_version';
  end if;

  -- A call that is repeated because its answer was lost finds the stream ahead by its own events, and changes nothing. Nor does one of
  -- which everything is refused.
  if accepted = 0 and duplicates in (0, cardinality(incoming)) then
    return;
  end if;

  select format('events[%s].%s', r.place - 1, r.reason) into refusal
  from (
    select
      i.place,
      case
        when i.issues <> '{}' then regexp_replace(i.issues[1], '=([^=]*)$', ' \1')
        when verdicts[i.place].status = 'rejected' then 'event_id stands for an event with another content'
      end as reason
    from unnest(incoming) with ordinality as i (
      user_id, event_id, is_id_given, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", fingerprint, issues, place
    )
  ) as r
  where r.reason is not null
  order by r.place
  limit 1;
  if refusal is not null then
    raise exception using
      errcode = 'PT422',
      message = format('With expected_version all events are taken or none: %s.', refusal),
      detail = 'invalid_events';
  end if;

  select s.version - accepted into actual from flywheel.streams as s where s.user_id = users[1];
  if actual <> expected::numeric then
    raise exception using
      errcode = 'PT409',
      message = format('The stream is at version %s, not %s.', actual, expected),
      detail = 'wrong_expected_version';
  end if;
end
$$;

comment on function flywheel.expect_version(flywheel.incoming_event[], flywheel.verdict[], jsonb) is
  'Raises PT409 wrong_expected_version unless the one user''s stream was at the expected version before what was just appended to it, and PT422 where some of what was sent is refused, but not all.';

-- store/refusal.sql
create function flywheel.refusal(issues text[])
returns json
language plpgsql
immutable
set search_path = ''
as $$
begin
  return json_build_object(
    'event_id', null,
    'status', 'rejected',
    'error', json_build_object(
      'code', 'invalid_event',
      'message', 'The event was refused.',
      'issues', (
        select json_agg(
          json_build_object('field', left(i.issue, -1 - length(m.message)), 'message', m.message)
          order by i.place
        )
        from unnest(issues) with ordinality as i (issue, place)
        -- A field may be called anything.
        cross join lateral (select split_part(i.issue, '=', -1) as message) as m
      )
    )
  );
end
$$;

comment on function flywheel.refusal(text[]) is
  'The result of a publication whose envelope or payload was refused, with its issues, given as field=message; messages are ours and have no "=".';

-- store/answer.sql
create function flywheel.answer(
  incoming flywheel.incoming_event[],
  verdicts flywheel.verdict[],
  first integer,
  last integer
)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  verdict flywheel.verdict;
  accepted integer := 0;
  duplicates integer := 0;
  results text[] := '{}';
begin
  -- Written as text: to build a JSON value and to write it out takes longer.
  for place in first .. last loop
    verdict := verdicts[place];
    if verdict.status = 'accepted' then
      accepted := accepted + 1;
      results := results || concat('{"event_id":"', verdict.event_id, '","status":"accepted"}');
      continue;
    end if;

    duplicates := duplicates + coalesce(verdict.status = 'duplicate', false)::integer;
    results := results || case verdict.status
      when 'duplicate' then concat('{"event_id":"', verdict.event_id, '","status":"duplicate"}')
      when 'rejected' then concat(
        '{"event_id":"', verdict.event_id, '","status":"rejected","error":{"code":"event_id_reused",'
        '"message":"This event_id stands for an event with another content."}}'
      )
      else flywheel.refusal(incoming[place].issues)::text
    end;
  end loop;
  return concat(
    '{"accepted":', accepted, ',"duplicates":', duplicates,
    ',"rejected":', last - first + 1 - accepted - duplicates,
    ',"results":[', array_to_string(results, ','), ']}'
  );
end
$$;

comment on function flywheel.answer(flywheel.incoming_event[], flywheel.verdict[], integer, integer) is
  'What became of the publications from the first to the last place given, as JSON text: { accepted, duplicates, rejected, results: [ { event_id, status, error } ] }.';

-- store/least_bytes.sql
create function flywheel.least_bytes(written text)
returns integer
language sql
immutable
strict
parallel safe
set search_path = ''
return octet_length(regexp_replace(written, '("(?:[^"\\]|\\.)*")|([,:]) |(0)0+', '\1\2\3', 'g'));

comment on function flywheel.least_bytes(text) is
  'The fewest bytes in which a client can have sent what jsonb writes as this text: without the spaces that jsonb puts after commas and colons, and with each run of zeros outside of texts as one, since it may have been sent as an exponent.';

-- store/events_of.sql
create function flywheel.events_of(sent jsonb, bytes integer, settings flywheel.settings)
returns jsonb
language plpgsql
immutable
set search_path = ''
as $$
declare
  events jsonb := sent -> 'events';
  unknown text;
begin
  -- A field that is null is one that is left out.
  if events <> 'null' then
    if sent - array['events', 'expected_version'] <> '{}' then
      select min(f.key) into unknown
      from jsonb_each(sent - array['events', 'expected_version']) as f
      where f.value <> 'null';
    end if;
  elsif jsonb_typeof(sent) = 'object' then
    events := jsonb_build_array(sent);
  else
    events := sent;
  end if;

  if jsonb_typeof(events) is distinct from 'array' then
    raise exception using
      errcode = 'PT400', message = 'The body must be one event or { "events": [ … ] }.', detail = 'invalid_body';
  end if;
  if unknown is not null then
    raise exception using
      errcode = 'PT400',
      message = format('Beside events nothing is known but expected_version: not %s.', left(unknown, 100)),
      detail = 'invalid_body';
  end if;
  if jsonb_array_length(events) not between 1 and settings.max_batch_events then
    raise exception using
      errcode = case when jsonb_array_length(events) = 0 then 'PT400' else 'PT413' end,
      message = format('A publication holds 1 to %s events.', settings.max_batch_events),
      detail = case when jsonb_array_length(events) = 0 then 'no_events' else 'too_many_events' end;
  end if;
  if bytes > settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most.', settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;
  return events;
end
$$;

comment on function flywheel.events_of(jsonb, integer, flywheel.settings) is
  'The events of a publication: of one event, of a list, or of { events, expected_version? }. bytes: how many it was sent in. Raises PT400 for what is none of them, says more or is empty, and PT413 for what is more than settings.max_batch_events or settings.max_batch_bytes.';

-- store/publish.sql
create function flywheel.publish(
  body text,
  publisher uuid default null,
  refused jsonb default '{}',
  was_jsonb boolean default false
)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  settings flywheel.settings;
  sent jsonb := body::jsonb;
  bytes integer := octet_length(body);
  events jsonb;
  incoming flywheel.incoming_event[];
  verdicts flywheel.verdict[];
  expects_version boolean := coalesce(sent -> 'events' <> 'null' and sent -> 'expected_version' <> 'null', false);
begin
  select s.* into settings from flywheel.settings as s;

  if was_jsonb and bytes > settings.max_batch_bytes then
    perform flywheel.refuse_long(body, settings);
    bytes := flywheel.least_bytes(body);
  end if;
  events := flywheel.events_of(sent, bytes, settings);
  incoming := flywheel.read_envelopes(
    body,
    events,
    case when publisher is not null then array_fill(publisher, array[jsonb_array_length(events)]) end,
    refused,
    settings
  );
  -- What may still be taken back rings no bell: others who found it busy meanwhile would have left the ring to one that never came.
  if expects_version then
    perform set_config('flywheel.quiet_until', 'Infinity', true);
  end if;
  verdicts := case cardinality(incoming)
    when 1 then array[flywheel.append_event(incoming[1], settings.dedup_window)]
    else flywheel.append(incoming, settings.dedup_window)
  end;

  if expects_version then
    perform flywheel.expect_version(incoming, verdicts, sent -> 'expected_version');
    perform set_config('flywheel.quiet_until', '', true);
    perform flywheel.ring();
  end if;

  return flywheel.answer(incoming, verdicts, 1, cardinality(incoming));
end
$$;

comment on function flywheel.publish(text, uuid, jsonb, boolean) is
  'Publishes one event, a list, or { events, expected_version? }, as JSON text, in one transaction: reads the envelopes, locks the streams, deduplicates, appends. publisher: the user who publishes, or null for a secret key, which names a user_id in each event. refused: { index from 0: [ { field, message } ] }, what the caller''s payload check found. was_jsonb: whether the text is not the one that was sent, but what jsonb made of it. Returns { accepted, duplicates, rejected, results } in the order sent. Raises PT400, PT409 wrong_expected_version, PT413, and PT422 where one of them is refused and a version is expected, with the code in the error''s detail.';

-- store/publish_timely.sql
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

-- store/publish_timely_streams.sql
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

-- store/publish_together.sql
create function flywheel.publish_together(
  bodies text,
  sizes integer[],
  publishers uuid[],
  refused jsonb default '{}'
)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  settings flywheel.settings;
  sent jsonb := bodies::jsonb;
  publication jsonb;
  lists jsonb[] := '{}';
  events jsonb;
  owners uuid[] := '{}';
  incoming flywheel.incoming_event[];
  verdicts flywheel.verdict[];
  lengths integer[] := '{}';
  first integer := 1;
  answers text[] := '{}';
begin
  select s.* into settings from flywheel.settings as s;

  for place in 1 .. jsonb_array_length(sent) loop
    publication := sent -> (place - 1);
    if publication -> 'events' <> 'null' and publication -> 'expected_version' <> 'null' then
      raise exception using
        errcode = 'PT400',
        message = 'expected_version must be published by itself.',
        detail = 'invalid_expected_version';
    end if;
    lists[place] := flywheel.events_of(publication, sizes[place], settings);
    lengths[place] := jsonb_array_length(lists[place]);
    owners := owners || array_fill(publishers[place], array[lengths[place]]);
  end loop;
  events := jsonb_path_query_array(to_jsonb(lists), 'strict $[*][*]');
  incoming := flywheel.read_envelopes(bodies, events, owners, refused, settings);
  verdicts := flywheel.append(incoming, settings.dedup_window);

  for place in 1 .. cardinality(lengths) loop
    answers[place] := flywheel.answer(incoming, verdicts, first, first + lengths[place] - 1);
    first := first + lengths[place];
  end loop;
  return concat('[', array_to_string(answers, ','), ']');
end
$$;

comment on function flywheel.publish_together(text, integer[], uuid[], jsonb) is
  'flywheel.publish() for several publications in one transaction: a list of them as JSON text, with the bytes that each was sent in, and each one''s publisher; none of them expects a version. refused: { index from 0 among all events: [ { field, message } ] }. Returns the answers in the order given. Raises what flywheel.publish() raises where one of them is refused whole; none is published then, and each has to be tried by itself.';

-- store/publish_events.sql
create function public.publish_events(events jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  publisher uuid := auth.uid();
begin
  -- The role that the API assumed, not the definer's: a user publishes as themself, whatever the body says.
  if publisher is null and coalesce(current_setting('role', true), 'none') = 'authenticated' then
    raise exception using errcode = 'PT401', message = 'Sign in first.', detail = 'unauthorized';
  end if;
  perform flywheel.refuse_endless_numbers(events);
  return flywheel.publish(events::text, publisher, was_jsonb => true)::jsonb;
end
$$;

comment on function public.publish_events(jsonb) is
  'POST events without the functions: publishes one event or { "events": [ … ] } of the signed-in user, or of any user for service_role, with the same body and the same answer. A payload that its catalogue schema refuses is set aside with its error when it is folded.';

-- store/read_stream.sql
create function flywheel.read_stream(
  owner uuid,
  from_version bigint default null,
  backwards boolean default false,
  max_events integer default 100
)
returns setof public.phoenix_events
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
  if backwards then
    return query
    select e.*
    from public.phoenix_events as e
    where e.user_id = owner and e.version <= coalesce(from_version, 9223372036854775807)
    order by e.version desc
    limit max_events;
  else
    return query
    select e.*
    from public.phoenix_events as e
    where e.user_id = owner and e.version >= coalesce(from_version, 1)
    order by e.version
    limit max_events;
  end if;
end
$$;

comment on function flywheel.read_stream(uuid, bigint, boolean, integer) is
  'A page of one user''s events: from a version on, itself included, forwards or backwards. Without a version from the stream''s start, or its end. The next page begins beside the last version of this one.';

-- store/audit.sql
create table flywheel.audit (
  audit_id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  action text not null,
  subject_hash bytea,
  by_role text not null,
  details jsonb not null default '{}'
);

alter table flywheel.audit enable row level security;

comment on table flywheel.audit is
  'Which role erased or exported a user''s data, and when. Append-only for every API role; holds nothing personal: of the user there is a hash.';
comment on column flywheel.audit.audit_id is 'Order of the entries.';
comment on column flywheel.audit.at is 'When it was done.';
comment on column flywheel.audit.action is 'The function that did it.';
comment on column flywheel.audit.subject_hash is
  'SHA-256 of the user''s id as text: whoever knows the id finds the entry, and nobody finds the id by it.';
comment on column flywheel.audit.by_role is 'The role that the caller had assumed.';
comment on column flywheel.audit.details is 'How many rows of each table, and the reason given, which names nobody.';

-- store/record_audit.sql
create function flywheel.record_audit(action text, subject uuid, details jsonb)
returns void
language sql
set search_path = ''
as $$
  insert into flywheel.audit (action, subject_hash, by_role, details)
  values (
    record_audit.action,
    sha256(convert_to(record_audit.subject::text, 'UTF8')),
    -- The role that was assumed, not the definer of the function that asks.
    coalesce(nullif(current_setting('role', true), 'none'), session_user),
    record_audit.details
  )
$$;

comment on function flywheel.record_audit(text, uuid, jsonb) is 'Leaves an audit entry about what was done to a user''s data.';

-- store/personal_tables.sql
create function flywheel.personal_tables()
returns setof regclass
language sql
stable
set search_path = ''
as $$
  select c.oid::regclass
  from pg_catalog.pg_class as c
  join pg_catalog.pg_attribute as a
    on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
  where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
    and c.relkind in ('r', 'p')
    and not c.relispartition
  order by c.relname
$$;

comment on function flywheel.personal_tables() is
  'Every table that says whose its rows are, from the catalog, so that a table added later is neither left out of an erasure nor of an export.';

-- store/erase_user.sql
create function flywheel.erase_user(user_id uuid, reason text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  personal regclass;
  erased bigint;
  had_stream boolean;
  withdrawn bigint;
  rows_by_table jsonb := '{}';
begin
  -- The stream first, as everywhere: nobody appends or commits while the rest goes, nor begins a stream that is not there yet.
  insert into flywheel.streams as s (user_id) values (erase_user.user_id)
  on conflict on constraint streams_pkey do update set version = s.version
  -- An updated row has a predecessor.
  returning s.xmax <> 0 into had_stream;

  perform flywheel.uncount_user(erase_user.user_id);

  -- A replay under way that has come as far as this user goes on from the one before.
  update flywheel.replays as r
  set last_user = (
    select s.user_id from flywheel.streams as s
    where s.user_id < r.last_user
    order by s.user_id desc
    limit 1
  )
  where r.last_user = erase_user.user_id;

  -- QStash is to forget all that it had of theirs: even of what was delivered it may have a dead letter, of an attempt that it could not
  -- tell us of. Locked first, so that attempts counts a lease that was under way.
  perform from flywheel.deliveries as d where d.user_id = erase_user.user_id order by d.delivery_id for update;
  insert into flywheel.withdrawals (delivery_id)
  select d.delivery_id
  from flywheel.deliveries as d
  where d.user_id = erase_user.user_id and d.attempts > 0
  on conflict do nothing;
  get diagnostics withdrawn = row_count;

  for personal in select t from flywheel.personal_tables() as t
  loop
    execute format('delete from %s as p where p.user_id = $1', personal) using erase_user.user_id;
    get diagnostics erased = row_count;
    if personal = 'flywheel.streams'::regclass and not had_stream then
      erased := 0;
    end if;
    rows_by_table := rows_by_table || jsonb_build_object(personal::text, erased);
  end loop;

  perform flywheel.record_audit(
    'erase_user',
    erase_user.user_id,
    jsonb_build_object('reason', reason, 'rows', rows_by_table)
  );
  if withdrawn > 0 then
    perform flywheel.ring();
  end if;
  return rows_by_table;
end
$$;

comment on function flywheel.erase_user(uuid, text) is
  'The right to erasure: deletes everything of a user, events included, has QStash forget what it was given to tell apps, and leaves an audit entry that does not say who. reason: why, without anything personal. The account itself is Supabase Auth''s to delete. Returns { table: rows deleted }.';

-- store/export_user.sql
create function flywheel.export_user(user_id uuid)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  contents_by_table text;
  exported text;
begin
  select
    string_agg(
      format(
        'to_json(%L::text), '':'', (select coalesce(json_agg(p order by %s), ''[]'') from %s as p where p.user_id = $1)',
        t.personal,
        -- Not every type has an order; those of a key have.
        coalesce(
          (
            select string_agg(format('p.%I', a.attname), ', ' order by k.place)
            from pg_catalog.pg_index as i
            cross join unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
            join pg_catalog.pg_attribute as a
              on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = t.personal and i.indisprimary
          ),
          'p.user_id'
        ),
        t.personal
      ),
      ', '','', '
      order by t.place
    )
  into contents_by_table
  from flywheel.personal_tables() with ordinality as t (personal, place);

  -- In one statement, which sees one moment. As text, which may be four times as large as jsonb.
  begin
    execute format('select concat(''{'', %s, ''}'')', contents_by_table)
    into exported
    using export_user.user_id;
  exception
    when program_limit_exceeded then
      raise exception using
        errcode = 'PT413',
        message = 'All of this user is more than the gigabyte that one value can hold.',
        detail = 'export_too_large',
        hint = 'Read the largest tables by themselves, the events by flywheel.read_stream().';
  end;

  perform flywheel.record_audit('export_user', export_user.user_id, '{}');
  return exported;
end
$$;

comment on function flywheel.export_user(uuid) is
  'The right to take one''s data along: every row of a user at one moment, { table: [ rows, in the order of their primary key ] }. Leaves an audit entry. Raises PT413 export_too_large for more than a gigabyte of text.';

-- flywheel/doorbell.sql
create table flywheel.doorbell (
  only_row boolean primary key default true check (only_row),
  rung_at timestamptz not null default '-infinity',
  latest_at timestamptz not null default '-infinity'
);

insert into flywheel.doorbell default values;

alter table flywheel.doorbell enable row level security;

comment on table flywheel.doorbell is 'When the doorbell last rang, so that a burst of publications rings once.';
comment on column flywheel.doorbell.only_row is 'Keeps the table to one row.';
comment on column flywheel.doorbell.rung_at is 'The last ring.';
comment on column flywheel.doorbell.latest_at is
  'The latest time of all rings. Later than now only where the clock was set back since: flywheel.mend_waits() looks.';

-- flywheel/ring.sql
create function flywheel.ring(regardless boolean default false)
returns boolean
language plpgsql
security definer
set search_path = ''
-- Otherwise the update would be planned anew each time, for its argument.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  url text;
  secret text;
  body jsonb;
  sent_at text;
  quiet_until numeric;
begin
  -- Most rings come too soon after another: they look, and neither lock nor write. The session remembers until when.
  select extract(epoch from d.rung_at + s.ring_interval) into quiet_until
  from flywheel.doorbell as d, flywheel.settings as s
  -- A ring later than now is from before the clock was set back, and does not count.
  where d.rung_at <= clock_timestamp();
  if quiet_until > extract(epoch from clock_timestamp()) and not regardless then
    perform set_config('flywheel.quiet_until', quiet_until::text, false);
    return false;
  end if;

  -- If somebody else is ringing, the ring is left to them: nobody waits. The row alone would not do: where a newer version of it is
  -- locked, Postgres waits for that in spite of "skip locked".
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.ring', 0)) then
    return false;
  end if;
  update flywheel.doorbell as d
  set rung_at = clock_timestamp(), latest_at = greatest(d.latest_at, clock_timestamp())
  from (
    select b.only_row
    from flywheel.doorbell as b, flywheel.settings as s
    where regardless or b.rung_at <= clock_timestamp() - s.ring_interval or b.rung_at > clock_timestamp()
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

    sent_at := extract(epoch from clock_timestamp())::bigint::text;
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

comment on function flywheel.ring(boolean) is
  'Tells process-queue that there is work: an HTTP call by pg_net to the address in Vault (phoenix_doorbell_url), signed in x-phoenix-signature as t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body" with phoenix_doorbell_secret>. At most once in settings.ring_interval, unless it is to ring regardless of that. The call is sent when the caller''s transaction is committed; until that ends, other rings are left to it. Returns whether it rang.';

-- flywheel/ring_on_append.sql
create function flywheel.ring_on_append()
returns trigger
language plpgsql
set search_path = ''
as $$
begin
  -- A time further ahead than the longest ring_interval is from before the clock was set back, and does not count. Infinity becomes
  -- null here, and nobody rings.
  if nullif(
    coalesce(nullif(current_setting('flywheel.quiet_until', true), ''), '0')::numeric - extract(epoch from clock_timestamp()),
    'Infinity'
  ) not between 0 and 10 then
    perform flywheel.ring();
  end if;
  return null;
end
$$;

comment on function flywheel.ring_on_append() is
  'Rings the doorbell when events were appended. Until flywheel.quiet_until, in seconds since 1970, there is no need: flywheel.ring() sets it where the bell rang lately, and flywheel.commit() for itself, since a worker that appends is about to look for more.';

-- It asks by itself whether to ring: a condition of the trigger's would be read from the catalog, parsed and planned anew for each
-- statement, which takes longer than to append an event does.
create trigger ring_on_append
after insert on public.phoenix_events
for each statement
execute function flywheel.ring_on_append();

comment on trigger ring_on_append on public.phoenix_events is
  'The database webhook: once a statement, whatever the number of events.';

-- flywheel/tell.sql
create function flywheel.tell(
  owner uuid,
  event_type text,
  payload jsonb,
  causation_id text,
  correlation_id text,
  told_at timestamptz,
  identity text
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform from flywheel.append_event(
    row(
      owner, gen_random_uuid(), false, event_type, 'flywheel', payload, '{}', correlation_id, causation_id, null, told_at,
      sha256(convert_to(identity, 'UTF8')), '{}'
    ),
    '0'
  );
end
$$;

comment on function flywheel.tell(uuid, text, jsonb, text, text, timestamptz, text) is
  'Appends an event of the flywheel''s own to a stream that the caller has locked. identity: what it tells, for its fingerprint.';

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
  expired_at timestamptz,
  expires_at timestamptz not null,
  success boolean generated always as (converted_at is not null) stored,
  held_out boolean generated always as (variant = 'holdout') stored,
  status text generated always as (
    case
      when converted_at is not null then 'converted'
      when variant = 'holdout' then 'held_out'
      when dismissed_at is not null then 'dismissed'
      when clicked_at is not null then 'clicked'
      when cancelled_at is not null then 'cancelled'
      when expired_at is not null then 'expired'
      when shown_at is not null then 'shown'
      else 'pending'
    end
  ) stored,
  primary key (user_id, nudge_id),
  check (expires_at > sent_at)
);

create index phoenix_nudges_sent_pending on public.phoenix_nudges_sent (user_id, sent_at)
where status = 'pending';

-- Who has had which nudge lately.
create index phoenix_nudges_sent_recent on public.phoenix_nudges_sent (nudge_type, sent_at, user_id);

alter table public.phoenix_nudges_sent enable row level security;

comment on table public.phoenix_nudges_sent is
  'Every nudge that the flywheel decided on, and what became of it.';
comment on column public.phoenix_nudges_sent.user_id is 'Whom it is for.';
comment on column public.phoenix_nudges_sent.nudge_id is
  'UUIDv5 of its user, its type and the event that caused it, or the timer''s time, so that no replay makes it twice.';
comment on column public.phoenix_nudges_sent.nudge_type is 'The rule that made it, such as letters_to_cv.';
comment on column public.phoenix_nudges_sent.app_source is 'The app whose event caused it, or that a failed transition came from: where it is best shown.';
comment on column public.phoenix_nudges_sent.target_app is 'The app it leads to.';
comment on column public.phoenix_nudges_sent.variant is
  'The wording of the experiment that the user is in; holdout for a nudge that is recorded and not shown.';
comment on column public.phoenix_nudges_sent.title is 'What the user reads first, in French.';
comment on column public.phoenix_nudges_sent.message is 'What the user reads next, in French.';
comment on column public.phoenix_nudges_sent.cta_label is 'The text of its button, in French.';
comment on column public.phoenix_nudges_sent.cta_url is 'Where its button leads.';
comment on column public.phoenix_nudges_sent.causation_id is 'The event_id of the event that caused it, or that set the timer that did.';
comment on column public.phoenix_nudges_sent.correlation_id is 'The correlation_id of that event.';
comment on column public.phoenix_nudges_sent.sent_at is 'When the flywheel decided on it.';
comment on column public.phoenix_nudges_sent.shown_at is 'When the user first saw it.';
comment on column public.phoenix_nudges_sent.clicked_at is 'When the user followed it.';
comment on column public.phoenix_nudges_sent.dismissed_at is 'When the user put it away.';
comment on column public.phoenix_nudges_sent.converted_at is
  'When the store received the event by which the user did what it led to: within settings.reactor_settings.nudges.conversion_days of the click; in the holdout, of the decision.';
comment on column public.phoenix_nudges_sent.cancelled_at is 'When it became pointless before it was seen.';
comment on column public.phoenix_nudges_sent.expired_at is 'When its time was over before it was followed.';
comment on column public.phoenix_nudges_sent.expires_at is 'When it is no longer shown.';
comment on column public.phoenix_nudges_sent.success is 'Whether it converted.';
comment on column public.phoenix_nudges_sent.held_out is 'Whether it is recorded and not shown.';
comment on column public.phoenix_nudges_sent.status is
  'Where it stands: pending, shown, clicked, dismissed, converted, cancelled, expired or held_out.';

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
    and n.status = any (case when step = 'shown' then array['pending'] else array['pending', 'shown'] end)
    and n.expires_at > marked_at
  returning n.* into changed;

  if changed.nudge_id is not null then
    perform flywheel.tell(
      owner,
      'nudge.' || step,
      jsonb_build_object(
        'nudge_id', nudge,
        'nudge_type', changed.nudge_type,
        'target_app', changed.target_app,
        'variant', changed.variant
      ),
      nudge::text,
      changed.correlation_id,
      marked_at,
      nudge || step
    );
  end if;

  return query
  select n.*
  from public.phoenix_nudges_sent as n
  where n.user_id = owner and n.nudge_id = nudge and not n.held_out;
end
$$;

comment on function flywheel.mark_nudge(uuid, uuid, text) is
  'Takes a step of the owner''s nudge (shown, clicked, dismissed) and appends the event that tells of it. A step already taken, or one that its status does not allow, changes nothing. Returns the nudge, or no row where the owner was given no such nudge.';

-- flywheel/phoenix_transitions.sql
create table public.phoenix_transitions (
  transition_id uuid not null,
  user_id uuid not null,
  source_app text not null,
  target_app text not null,
  context jsonb not null,
  status text not null default 'requested'
    check (status in ('requested', 'notified', 'accepted', 'completed', 'rejected', 'expired')),
  requested_at timestamptz not null default now(),
  notified_at timestamptz,
  accepted_at timestamptz,
  completed_at timestamptz,
  rejected_at timestamptz,
  expires_at timestamptz not null,
  expired_at timestamptz,
  reason text,
  causation_id text,
  correlation_id text,
  primary key (user_id, transition_id),
  check (expires_at > requested_at),
  check (source_app <> target_app)
);

create unique index phoenix_transitions_open on public.phoenix_transitions (user_id, target_app)
where status in ('requested', 'notified');
create index phoenix_transitions_latest on public.phoenix_transitions (user_id, target_app, requested_at);
create index phoenix_transitions_id on public.phoenix_transitions (transition_id);
create index phoenix_transitions_inbox on public.phoenix_transitions (target_app, status, requested_at, transition_id);
create index phoenix_transitions_requested_at on public.phoenix_transitions (requested_at, transition_id);

alter table public.phoenix_transitions enable row level security;

comment on table public.phoenix_transitions is
  'Every time a user was handed over from one app to another with a context, and what became of it: requested, notified, accepted, completed; or rejected, or expired. A user has one open transition an app at most.';
comment on column public.phoenix_transitions.transition_id is
  'UUIDv5 of its user, the target app and the event that caused it, so that no replay makes it twice; random where it was asked for by hand.';
comment on column public.phoenix_transitions.user_id is 'Who is handed over.';
comment on column public.phoenix_transitions.source_app is 'The app that the user comes from.';
comment on column public.phoenix_transitions.target_app is 'The app that the user is handed to.';
comment on column public.phoenix_transitions.context is
  'What the target app should know, so that it need not ask again. What the flywheel does not know is left out.';
comment on column public.phoenix_transitions.status is 'The last step taken.';
comment on column public.phoenix_transitions.requested_at is 'When it was asked for: when the store received the event that caused it, to the millisecond, and a microsecond after the one before to the same app in that; or when somebody asked by hand.';
comment on column public.phoenix_transitions.notified_at is 'When the target app had received it.';
comment on column public.phoenix_transitions.accepted_at is 'When the target app took it over.';
comment on column public.phoenix_transitions.completed_at is 'When the target app had done its part.';
comment on column public.phoenix_transitions.rejected_at is 'When it was turned down.';
comment on column public.phoenix_transitions.expires_at is 'Until when it can be accepted or rejected.';
comment on column public.phoenix_transitions.expired_at is 'When it was given up: unanswered for too long, or superseded by a newer one.';
comment on column public.phoenix_transitions.reason is 'Why it was rejected or has expired, in a few words.';
comment on column public.phoenix_transitions.causation_id is 'The event_id of the event that caused it; null where it was asked for by hand.';
comment on column public.phoenix_transitions.correlation_id is
  'The correlation_id of that event; the events that tell of the transition keep it.';

-- flywheel/apps.sql
create table flywheel.apps (
  app text primary key check (app ~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$' and length(app) <= 50),
  -- No user:password@ before the host.
  delivery_url text check (delivery_url ~ '^https?://[^\s/?#\\@]+([/?#][^\s]*)?$'),
  configuration integer not null default 0
);

alter table flywheel.apps enable row level security;

comment on table flywheel.apps is
  'Where the apps want to be told of transitions; flywheel.configure_app() writes it. An app that is not here, or has no address, polls.';
comment on column flywheel.apps.app is 'The app, without the phoenix_ prefix.';
comment on column flywheel.apps.delivery_url is 'The address that deliveries are posted to, or null.';
comment on column flywheel.apps.configuration is 'How often it was configured anew.';

-- flywheel/deliveries.sql
create table flywheel.deliveries (
  user_id uuid not null,
  delivery_id uuid not null,
  app text not null,
  kind text not null check (kind in ('transition', 'notification')),
  transition_id uuid,
  message jsonb not null,
  created_at timestamptz not null,
  available_at timestamptz,
  attempts integer not null default 0,
  configuration integer,
  published_at timestamptz,
  delivered_at timestamptz,
  failed_at timestamptz,
  failure text,
  primary key (user_id, delivery_id)
);

create index deliveries_available_at on flywheel.deliveries (app, available_at)
where available_at is not null;
create index deliveries_pending on flywheel.deliveries (user_id, transition_id)
where available_at is not null;
create index deliveries_failed_at on flywheel.deliveries (failed_at)
where failed_at is not null;

alter table flywheel.deliveries enable row level security;

comment on table flywheel.deliveries is
  'The outbox: what apps are to be told, written in the transaction that decided it and carried by QStash afterwards, at least once and always under the same id.';
comment on column flywheel.deliveries.user_id is 'Whom it is about.';
comment on column flywheel.deliveries.delivery_id is 'The app''s idempotency key, and QStash''s deduplication id.';
comment on column flywheel.deliveries.app is 'The app to tell.';
comment on column flywheel.deliveries.kind is
  'transition: the app may answer; notification: fire and forget. It names the queue: phoenix_<app>_<kind>s.';
comment on column flywheel.deliveries.transition_id is 'The transition it is about.';
comment on column flywheel.deliveries.message is 'What the app is told: { type, source_app, target_app, context, timestamp }.';
comment on column flywheel.deliveries.created_at is 'When it was decided.';
comment on column flywheel.deliveries.available_at is
  'When a deliverer should look at it: now, the end of a lease, or when QStash has been silent for too long. Null: nothing to do.';
comment on column flywheel.deliveries.attempts is 'How often a deliverer took it.';
comment on column flywheel.deliveries.configuration is 'The value of flywheel.apps.configuration when a deliverer last took it; null until one does, and where it is to be told anew.';
comment on column flywheel.deliveries.published_at is
  'When QStash was last known to have it. Null: not yet, or not since the app was configured anew.';
comment on column flywheel.deliveries.delivered_at is 'When QStash said that the app had answered 2xx.';
comment on column flywheel.deliveries.failed_at is 'When QStash gave up or refused it, or when it came due while its app had no address. Null again once it is delivered after all, or due again because the app was configured anew.';
comment on column flywheel.deliveries.failure is 'Why it failed.';

-- flywheel/withdrawals.sql
create table flywheel.withdrawals (
  delivery_id uuid primary key,
  available_at timestamptz not null default clock_timestamp(),
  is_repetition boolean not null default false
);

create index withdrawals_available_at on flywheel.withdrawals (available_at);

alter table flywheel.withdrawals enable row level security;

comment on table flywheel.withdrawals is
  'Deliveries of users who were erased, which QStash may still carry, or have as a dead letter, and is to forget. Nothing here says whose they were.';
comment on column flywheel.withdrawals.delivery_id is 'The delivery''s id, by which QStash finds its message.';
comment on column flywheel.withdrawals.available_at is 'When a deliverer should have QStash forget it: now, or the end of a lease, or of the wait before the repetition.';
comment on column flywheel.withdrawals.is_repetition is
  'Whether QStash has forgotten it once: a deliverer that was handing it over at the time of the erasure may have done so only afterwards.';

-- flywheel/delivery_secret.sql
create function flywheel.delivery_secret(app text)
returns text
language plpgsql
stable
set search_path = ''
as $$
begin
  return (
    select v.decrypted_secret
    from vault.decrypted_secrets as v
    where v.name = 'phoenix_delivery_secret_' || delivery_secret.app
  );
exception
  -- Encrypted with another project's key, as after a restore, or damaged: one app's secret must not hold up the others'.
  when others then
    return null;
end
$$;

comment on function flywheel.delivery_secret(text) is
  'What signs deliveries to an app, from Vault. Null where there is none, or none that can be decrypted.';

-- flywheel/tell_again_at.sql
create function flywheel.tell_again_at(delivery flywheel.deliveries)
returns timestamptz
language sql
set search_path = ''
as $$
  select case
    when delivery.published_at is null then coalesce(delivery.available_at, clock_timestamp())
    -- Sooner, QStash would take it for what it had already.
    else least(delivery.published_at, clock_timestamp()) + interval '10 minutes'
  end
  where case delivery.kind
    when 'notification' then delivery.published_at is null
    else exists (
      select from public.phoenix_transitions as t
      where t.user_id = delivery.user_id
        and t.transition_id = delivery.transition_id
        and t.status = 'requested'
        and t.expires_at > clock_timestamp()
    )
  end
$$;

comment on function flywheel.tell_again_at(flywheel.deliveries) is
  'When an app that was configured anew can be told what failed before. Null where nobody waits for it: a transition that is not open any more, or a notification that QStash had.';

-- flywheel/configure_app.sql
create function flywheel.configure_app(app text, delivery_url text, secret text default null)
returns text
language plpgsql
security definer
set search_path = ''
as $$
declare
  secret_name text;
  kept uuid;
  signing_secret text;
  violated text;
  owners uuid[];
begin
  app := regexp_replace(app, '^phoenix_', '');
  secret_name := 'phoenix_delivery_secret_' || app;
  if length(secret) < 32 then
    raise exception using
      errcode = 'PT400', message = 'A secret has at least 32 characters.', detail = 'weak_secret';
  end if;

  begin
    insert into flywheel.apps as a (app, delivery_url)
    values (configure_app.app, configure_app.delivery_url)
    on conflict on constraint apps_pkey do update
    set delivery_url = excluded.delivery_url, configuration = a.configuration + 1;
  exception
    when check_violation or not_null_violation then
      get stacked diagnostics violated = constraint_name;
      if violated = 'apps_delivery_url_check' then
        raise exception using
          errcode = 'PT400',
          message = 'An address begins with http:// or https:// and holds neither spaces nor user:password@.',
          detail = 'invalid_delivery_url';
      end if;
      raise exception using
        errcode = 'PT400',
        message = 'An app is a slug: lower-case letters and digits, parts joined by - or _, 50 characters at most.',
        detail = 'invalid_app';
  end;

  select v.id into kept from vault.secrets as v where v.name = secret_name;
  signing_secret := coalesce(secret, flywheel.delivery_secret(app), encode(extensions.gen_random_bytes(32), 'hex'));
  if kept is null then
    perform vault.create_secret(signing_secret, secret_name, 'signs deliveries to ' || app);
  else
    perform vault.update_secret(kept, signing_secret);
  end if;

  -- The streams first, as everywhere: what waits for them sees which transitions have been answered or given up, and none is while it
  -- looks.
  select array_agg(s.user_id)
  into owners
  from (
    select l.user_id
    from flywheel.streams as l
    where configure_app.delivery_url is not null
      and l.user_id in (
        select d.user_id
        from flywheel.deliveries as d
        where d.app = configure_app.app and d.failed_at is not null and flywheel.tell_again_at(d) is not null
      )
    order by l.user_id
    for no key update
  ) as s;

  -- What failed, perhaps for the address, or for want of one, or for the secret, is tried again as long as somebody waits for it.
  with waited_for as (
    select d.user_id, d.delivery_id, again.at
    from flywheel.deliveries as d
    cross join lateral flywheel.tell_again_at(d) as again (at)
    where d.app = configure_app.app
      and d.user_id = any (owners)
      and d.failed_at is not null
      and again.at is not null
    -- As an erasure has them.
    order by d.user_id, d.delivery_id
    for update of d
  )
  update flywheel.deliveries as d
  set
    available_at = w.at,
    -- What is heard late of an earlier attempt, from QStash or from its deliverer, says nothing about the next one.
    configuration = null,
    published_at = null,
    failed_at = null,
    failure = null
  from waited_for as w
  where d.user_id = w.user_id and d.delivery_id = w.delivery_id;
  return signing_secret;
end
$$;

comment on function flywheel.configure_app(text, text, text) is
  'Says where an app (with or without phoenix_) wants its deliveries posted (null: it polls), in force from the next one on; where there is one, those that failed are tried again, and so are those that were handed over before and fail later; notifications only where QStash refused them. Returns the secret that signs them, for the app''s developer: the one given, or the one kept in Vault as phoenix_delivery_secret_<app>, or a new one where there is none that can be read. Raises PT400 weak_secret, invalid_app or invalid_delivery_url.';

-- flywheel/enqueue_delivery.sql
create function flywheel.enqueue_delivery(
  about public.phoenix_transitions,
  app text,
  kind text,
  type text,
  source_app text,
  context jsonb,
  decided_at timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into flywheel.deliveries (
    user_id, delivery_id, app, kind, transition_id, message, created_at, available_at
  )
  select
    about.user_id,
    gen_random_uuid(),
    a.app,
    enqueue_delivery.kind,
    about.transition_id,
    jsonb_build_object(
      'type', enqueue_delivery.type,
      'source_app', 'phoenix_' || enqueue_delivery.source_app,
      'target_app', a.app,
      'context', enqueue_delivery.context,
      'timestamp', to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ),
    decided_at,
    decided_at
  from flywheel.apps as a
  where a.app = enqueue_delivery.app and a.delivery_url is not null;
end
$$;

comment on function flywheel.enqueue_delivery(public.phoenix_transitions, text, text, text, text, jsonb, timestamptz) is
  'Puts into the outbox what an app is to be told about a transition. An app without an address is told nothing: it polls.';

-- flywheel/tell_transition.sql
create function flywheel.tell_transition(about public.phoenix_transitions, told_at timestamptz)
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform flywheel.tell(
    about.user_id,
    'transition_écosystème',
    jsonb_strip_nulls(jsonb_build_object(
      'transition_id', about.transition_id,
      'source_app', about.source_app,
      'target_app', about.target_app,
      'status', about.status,
      'reason', about.reason
    ))
    || case
      when about.status = 'requested' then jsonb_build_object(
        'context', about.context,
        'expires_at', to_char(about.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      )
      else '{}'
    end,
    case when about.status = 'requested' then about.causation_id else about.transition_id::text end,
    about.correlation_id,
    told_at,
    about.transition_id || about.status
  );
end
$$;

comment on function flywheel.tell_transition(public.phoenix_transitions, timestamptz) is
  'Appends the event that tells of a transition''s last step to its user''s stream, which the caller has locked. The first one carries the context.';

-- flywheel/step_allowed.sql
create function flywheel.step_allowed(status text, step text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case step
    when 'notified' then status = 'requested'
    when 'accepted' then status in ('requested', 'notified')
    when 'rejected' then status in ('requested', 'notified')
    when 'expired' then status in ('requested', 'notified')
    when 'completed' then status = 'accepted'
    else false
  end;
end
$$;

comment on function flywheel.step_allowed(text, text) is
  'The saga''s one table: which step may follow which state. requested → notified → accepted → completed; an app that polls accepts without having been notified; until it is accepted a transition can be rejected or expire.';

-- flywheel/status_at.sql
create function flywheel.status_at(transition public.phoenix_transitions, moment timestamptz)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case
    when flywheel.step_allowed((transition).status, 'expired') and (transition).expires_at <= moment then 'expired'
    else (transition).status
  end;
end
$$;

comment on function flywheel.status_at(public.phoenix_transitions, timestamptz) is
  'Where a transition stands at a moment: one whose time is over has expired, even if no worker has said so yet.';

-- flywheel/move_transition.sql
create function flywheel.move_transition(
  moving public.phoenix_transitions,
  step text,
  why text,
  moved_at timestamptz
)
returns public.phoenix_transitions
language plpgsql
set search_path = ''
as $$
declare
  moved public.phoenix_transitions;
begin
  update public.phoenix_transitions as t
  set
    status = step,
    notified_at = case when step = 'notified' then moved_at else t.notified_at end,
    accepted_at = case when step = 'accepted' then moved_at else t.accepted_at end,
    completed_at = case when step = 'completed' then moved_at else t.completed_at end,
    rejected_at = case when step = 'rejected' then moved_at else t.rejected_at end,
    expired_at = case when step = 'expired' then moved_at else t.expired_at end,
    reason = coalesce(why, t.reason)
  where t.user_id = moving.user_id and t.transition_id = moving.transition_id
  returning t.* into moved;

  perform flywheel.tell_transition(moved, moved_at);
  if step = 'notified' then
    return moved;
  end if;

  -- What has been answered, or given up, need not be delivered any more.
  update flywheel.deliveries as d
  set available_at = null
  where d.user_id = moved.user_id
    and d.transition_id = moved.transition_id
    and d.kind = 'transition'
    and d.available_at is not null;

  -- A caller may give the same reason, but expires nothing.
  if (step, why) is distinct from ('expired', 'superseded') then
    perform flywheel.enqueue_delivery(
      moved,
      moved.source_app,
      'notification',
      'transition_' || step,
      moved.target_app,
      jsonb_strip_nulls(jsonb_build_object('status', step, 'reason', moved.reason)),
      moved_at
    );
  end if;
  return moved;
end
$$;

comment on function flywheel.move_transition(public.phoenix_transitions, text, text, timestamptz) is
  'Takes a step of a transition that the caller found legal, on a stream that it has locked: the change, the event that tells of it, and word to the app that the user came from, are one. Returns the transition.';

-- flywheel/open_transition.sql
create function flywheel.open_transition(opening public.phoenix_transitions)
returns boolean
language plpgsql
set search_path = ''
as $$
declare
  opened_at timestamptz := clock_timestamp();
begin
  if exists (
    select from public.phoenix_transitions as t
    where t.user_id = opening.user_id and t.transition_id = opening.transition_id
  )
  -- What was folded late does not undo what was decided since. Two questions, each to its own index.
  or exists (
    select from public.phoenix_transitions as t
    where t.user_id = opening.user_id
      and t.target_app = opening.target_app
      and t.requested_at > opening.requested_at
      -- Of those that events of one millisecond caused this one is the latest: they are folded in order.
      and (t.causation_id is null or t.requested_at >= opening.requested_at + interval '1 millisecond')
  )
  then
    return false;
  end if;

  -- So it is listed as that one, too. It stays in its millisecond, however many there are in that.
  opening.requested_at := greatest(
    opening.requested_at,
    (
      select max(least(t.requested_at + interval '1 microsecond', opening.requested_at + interval '999 microseconds'))
      from public.phoenix_transitions as t
      where t.user_id = opening.user_id
        and t.target_app = opening.target_app
        and t.requested_at >= opening.requested_at
    )
  );

  perform flywheel.move_transition(t, 'expired', 'superseded', opened_at)
  from public.phoenix_transitions as t
  where t.user_id = opening.user_id
    and t.target_app = opening.target_app
    and t.status in ('requested', 'notified');

  insert into public.phoenix_transitions select opening.*;
  perform flywheel.tell_transition(opening, opened_at);
  perform flywheel.enqueue_delivery(
    opening,
    opening.target_app,
    'transition',
    'transition_phoenix_' || opening.source_app,
    opening.source_app,
    opening.context,
    opened_at
  );
  return true;
end
$$;

comment on function flywheel.open_transition(public.phoenix_transitions) is
  'Opens a transition on a stream that the caller has locked: the row, the event that tells of it, its delivery. An earlier one to the same app that nobody has answered yet is superseded and expires; a later one stands, whatever was answered to it. Of several that one millisecond brought, requested_at grows in the order in which they are opened. Returns whether it was opened.';

-- flywheel/request_transition.sql
create function flywheel.request_transition(
  owner uuid,
  source_app text,
  target_app text,
  context jsonb,
  lifetime interval,
  known_head bigint,
  telling text[]
)
returns public.phoenix_transitions
language plpgsql
security definer
set search_path = ''
as $$
declare
  requested public.phoenix_transitions;
begin
  -- A user who had a stream and has none has been erased since: theirs is not begun anew.
  if known_head = 0 then
    insert into flywheel.streams (user_id) values (owner) on conflict do nothing;
  end if;
  perform from flywheel.streams as s where s.user_id = owner and s.version >= known_head for no key update;
  if not found or exists (
    select from public.phoenix_events as e
    where e.user_id = owner and e.version > known_head and e.event_type = any (telling)
  )
  then
    raise exception using
      errcode = 'PT409',
      message = 'Something was published or erased while this was asked for. Ask again.',
      detail = 'overtaken';
  end if;

  select t.* into requested
  from public.phoenix_transitions as t
  where t.user_id = owner
    and t.source_app = request_transition.source_app
    and t.target_app = request_transition.target_app
    and t.context = request_transition.context
    and t.status in ('requested', 'notified')
    and t.expires_at > clock_timestamp();
  if found then
    return requested;
  end if;

  requested.transition_id := gen_random_uuid();
  requested.user_id := owner;
  requested.source_app := request_transition.source_app;
  requested.target_app := request_transition.target_app;
  requested.context := request_transition.context;
  requested.status := 'requested';
  -- Later than the user's others, even where the clock was set back or an event's is ahead: what is asked for now is the latest.
  requested.requested_at := greatest(
    clock_timestamp(),
    (
      -- Added to each, within max(): for the maximum of the column itself a plan may read everybody's from the end.
      select max(t.requested_at + interval '1 microsecond') from public.phoenix_transitions as t where t.user_id = owner
    )
  );
  requested.expires_at := requested.requested_at + lifetime;
  -- Nobody's event caused it: it begins a conversation of its own.
  requested.correlation_id := requested.transition_id::text;
  perform flywheel.open_transition(requested);
  return requested;
end
$$;

comment on function flywheel.request_transition(uuid, text, text, jsonb, interval, bigint, text[]) is
  'Opens a transition that somebody asked for by hand, which supersedes an open one to the same app. Asking for the same again while it is open is asking once. known_head: the last version of the stream that the context knows of, 0 where there was none; telling: which types of events would tell it more. Returns the transition. Raises PT409 overtaken where such an event was appended since, or the user was erased.';

-- flywheel/step_transition.sql
create function flywheel.step_transition(
  owner uuid,
  transition uuid,
  step text,
  why text default null
)
returns setof public.phoenix_transitions
language plpgsql
security definer
set search_path = ''
as $$
declare
  current public.phoenix_transitions;
  status text;
begin
  -- A caller who speaks for all users need not know whose transition it is.
  owner := coalesce(
    owner,
    (select t.user_id from public.phoenix_transitions as t where t.transition_id = transition limit 1)
  );
  -- The stream first, as everywhere: the change and the event that tells of it are one.
  perform from flywheel.streams as s where s.user_id = owner for no key update;

  select t.* into current
  from public.phoenix_transitions as t
  where t.user_id = owner and t.transition_id = transition;
  if not found then
    return;
  end if;
  status := flywheel.status_at(current, clock_timestamp());

  if (
    case step
      when 'accepted' then current.accepted_at
      when 'completed' then current.completed_at
      when 'rejected' then current.rejected_at
    end
  ) is not null then
    return next current;
  elsif flywheel.step_allowed(status, step) then
    return next flywheel.move_transition(current, step, why, clock_timestamp());
  else
    raise exception using
      errcode = 'PT409',
      message = format('A transition that is %s cannot become %s.', status, step),
      detail = 'illegal_step';
  end if;
end
$$;

comment on function flywheel.step_transition(uuid, uuid, text, text) is
  'Takes a step (accepted, completed, rejected) of a user''s transition; owner may be null where the caller speaks for all users. A step that was taken before changes nothing. Returns the transition, or no row where there is none. Raises PT409 illegal_step where its state, or its time, does not allow the step.';

-- flywheel/lease_deliveries.sql
create function flywheel.lease_deliveries()
returns json
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  due_apps text[];
  silent_apps text[];
  settings flywheel.settings;
  leased json;
begin
  select array_agg(a.app) into due_apps
  from flywheel.apps as a
  -- One look at the index for each app: "exists" might be asked the other way round, of all that is due.
  cross join lateral (
    select from flywheel.deliveries as d where d.app = a.app and d.available_at <= statement_timestamp() limit 1
  ) as d;
  if due_apps is null then
    return null;
  end if;
  select s.* into settings from flywheel.settings as s;

  begin
    -- Apps without an address, whose deliveries are given up below. The lock keeps flywheel.configure_app() from giving them one
    -- meanwhile; an app that it is just configuring is skipped.
    select array_agg(a.app) into silent_apps
    from (
      select s.app from flywheel.apps as s
      where s.app = any (due_apps) and s.delivery_url is null
      order by s.app
      for share skip locked
    ) as a;

    with due as (
      select d.user_id, d.delivery_id, a.delivery_url, a.configuration
      from flywheel.apps as a
      -- The same number for each app, so that none waits behind what another has piled up.
      cross join lateral (
        select d.user_id, d.delivery_id
        from flywheel.deliveries as d
        where d.app = a.app and d.available_at <= statement_timestamp()
        order by d.available_at
        limit greatest(25 / cardinality(due_apps), 1)
        for no key update skip locked
      ) as d
      where a.app = any (due_apps) and (a.delivery_url is not null or a.app = any (silent_apps))
    ),
    taken as (
      update flywheel.deliveries as d
      set
        attempts = d.attempts + 1,
        configuration = due.configuration,
        available_at = clock_timestamp() + settings.lease_time
      from due
      where d.user_id = due.user_id and d.delivery_id = due.delivery_id and due.delivery_url is not null
      returning d.*, due.delivery_url
    ),
    -- Not looked at again until flywheel.configure_app() gives the app an address.
    given_up as (
      update flywheel.deliveries as d
      set available_at = null, failed_at = clock_timestamp(), failure = 'the app has no address'
      from due
      where d.user_id = due.user_id and d.delivery_id = due.delivery_id and due.delivery_url is null
    ),
    signed as (
      select t.app, flywheel.delivery_secret(t.app) as secret
      from (select distinct t.app from taken as t) as t
    )
    select
      json_build_object(
        'retries', settings.delivery_retries,
        'retry_delay', settings.delivery_retry_delay,
        'timeout_seconds', extract(epoch from settings.delivery_timeout)::integer,
        'parallelism', settings.delivery_parallelism,
        'deliveries', coalesce(json_agg(
          json_build_object(
            'user_id', t.user_id,
            'delivery_id', t.delivery_id,
            'app', t.app,
            'kind', t.kind,
            'transition_id', t.transition_id,
            'message', t.message,
            'url', t.delivery_url,
            'secret', s.secret
          )
        ), '[]')
      )
    into leased
    from taken as t
    join signed as s on s.app = t.app
    having exists (select from due);
  exception
    -- As in flywheel.lease(); the next deliverer looks again.
    when lock_not_available then
      return null;
  end;

  return leased;
end
$$;

comment on function flywheel.lease_deliveries() is
  'Takes deliveries that are due, the same number for each app, for settings.lease_time: the caller publishes them, and if it dies, another deliverer does when the lease ends. Those of an app without an address are marked as failed. Returns null where nothing is due, or { retries, retry_delay, timeout_seconds, parallelism, deliveries: [ { user_id, delivery_id, app, kind, transition_id, message, url, secret } ] }.';

-- flywheel/lease_withdrawals.sql
create function flywheel.lease_withdrawals()
returns setof uuid
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return query
  with due as (
    select w.delivery_id
    from flywheel.withdrawals as w
    where w.available_at <= statement_timestamp()
    order by w.available_at
    limit 25
    for no key update skip locked
  ),
  taken as (
    update flywheel.withdrawals as w
    set available_at = clock_timestamp() + s.lease_time
    from flywheel.settings as s, due
    where w.delivery_id = due.delivery_id
    returning w.delivery_id
  )
  select t.delivery_id from taken as t;
end
$$;

comment on function flywheel.lease_withdrawals() is
  'Takes deliveries that QStash is to forget, for settings.lease_time. Returns their ids, none where nothing is due.';

-- flywheel/mark_withdrawn.sql
create function flywheel.mark_withdrawn(delivery_ids uuid[])
returns void
language sql
security definer
set search_path = ''
as $$
  delete from flywheel.withdrawals as w where w.delivery_id = any (delivery_ids) and w.is_repetition;

  update flywheel.withdrawals as w
  -- QStash may take longer to accept a delivery than the shortest lease lasts, and than anybody waits for it.
  set is_repetition = true, available_at = clock_timestamp() + greatest(s.lease_time, interval '5 minutes')
  from flywheel.settings as s
  where w.delivery_id = any (delivery_ids);
$$;

comment on function flywheel.mark_withdrawn(uuid[]) is
  'Remembers that QStash has forgotten these deliveries. It is to forget them once more when no deliverer can still be handing them over; after that they are deleted here, too.';

-- flywheel/mark_published.sql
create function flywheel.mark_published(published jsonb)
returns void
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
  -- The streams first, as everywhere: whatever locks several deliveries of a user has locked the stream.
  perform
  from (
    select p.user_id
    from jsonb_to_recordset(published) as p (user_id uuid)
    order by p.user_id
  ) as p
  cross join lateral (
    select from flywheel.streams as s where s.user_id = p.user_id for no key update
  ) as s;

  update flywheel.deliveries as d
  set
    published_at = clock_timestamp(),
    available_at = clock_timestamp() + s.delivery_patience
  from
    flywheel.settings as s,
    jsonb_to_recordset(published) as p (user_id uuid, delivery_id uuid)
  where d.user_id = p.user_id
    and d.delivery_id = p.delivery_id
    -- Null where its outcome was heard of first, and where it has been made due again since.
    and d.available_at is not null
    and d.configuration is not null;
end
$$;

comment on function flywheel.mark_published(jsonb) is
  'Remembers that QStash has these: [ { user_id, delivery_id } ]. They are looked at again only where it stays silent for settings.delivery_patience.';

-- flywheel/mark_attempted.sql
create function flywheel.mark_attempted(owner uuid, delivery uuid)
returns void
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  update flywheel.deliveries as d
  set
    published_at = clock_timestamp(),
    available_at = clock_timestamp() + s.delivery_patience
  from flywheel.settings as s
  where d.user_id = owner
    and d.delivery_id = delivery
    and d.available_at is not null
    -- Where it is null, the delivery is to be told anew, which an earlier attempt does not put off, or is just being handed over, and
    -- its deliverer marks it.
    and d.published_at is not null;
end
$$;

comment on function flywheel.mark_attempted(uuid, uuid) is
  'QStash has tried to deliver this, and will try again: it is looked at again only where QStash stays silent for settings.delivery_patience from now on.';

-- flywheel/fail_delivery.sql
create function flywheel.fail_delivery(owner uuid, delivery uuid, was_taken boolean, why text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  failed flywheel.deliveries;
  again_at timestamptz;
begin
  -- The app first, as flywheel.configure_app() locks it: otherwise a delivery that fails meanwhile might be made due again by neither.
  perform from flywheel.apps as a
  where a.app = (select d.app from flywheel.deliveries as d where d.user_id = owner and d.delivery_id = delivery)
  for share;
  select d.* into failed
  from flywheel.deliveries as d
  where d.user_id = owner and d.delivery_id = delivery
  for no key update;

  -- QStash may have given it up before its deliverer could say that QStash has it.
  if was_taken then
    failed.published_at := coalesce(failed.published_at, clock_timestamp());
  end if;

  -- A failure under an earlier configuration of the app says nothing about the present one.
  select flywheel.tell_again_at(failed) into again_at
  from flywheel.apps as a
  where a.app = failed.app
    and a.delivery_url is not null
    and a.configuration is distinct from failed.configuration;

  update flywheel.deliveries as d
  set
    available_at = again_at,
    configuration = case when again_at is null then d.configuration end,
    published_at = case when again_at is null then failed.published_at end,
    failed_at = case when again_at is null then clock_timestamp() end,
    failure = case when again_at is null then left(why, 500) end
  where d.user_id = owner and d.delivery_id = delivery and d.delivered_at is null;
end
$$;

comment on function flywheel.fail_delivery(uuid, uuid, boolean, text) is
  'Marks a delivery that QStash has given up (was_taken), or refused; where its app has been configured anew since it was handed over, it is due again as long as somebody waits for it. Its transition stays open: the app may still poll.';

-- flywheel/answer_delivery.sql
create function flywheel.answer_delivery(owner uuid, delivery uuid, answer text, why text)
returns void
language plpgsql
security definer
set search_path = ''
as $$
declare
  heard_at timestamptz;
  delivered flywheel.deliveries;
  current public.phoenix_transitions;
begin
  -- The stream first, as everywhere.
  perform from flywheel.streams as s where s.user_id = owner for no key update;
  heard_at := clock_timestamp();

  update flywheel.deliveries as d
  set
    delivered_at = coalesce(d.delivered_at, heard_at),
    available_at = null,
    failed_at = null,
    failure = null
  where d.user_id = owner and d.delivery_id = delivery
  returning d.* into delivered;

  if delivered.kind is distinct from 'transition' then
    return;
  end if;

  select t.* into current
  from public.phoenix_transitions as t
  where t.user_id = owner and t.transition_id = delivered.transition_id;

  if flywheel.step_allowed(flywheel.status_at(current, heard_at), 'notified') then
    current := flywheel.move_transition(current, 'notified', null, heard_at);
  end if;
  -- The app may have told us by itself before it answered, the user may have decided otherwise, or its time may be over: what
  -- stands, stands.
  if answer in ('accepted', 'rejected') and flywheel.step_allowed(flywheel.status_at(current, heard_at), answer) then
    perform flywheel.move_transition(current, answer, why, heard_at);
  end if;
end
$$;

comment on function flywheel.answer_delivery(uuid, uuid, text, text) is
  'An app has received a delivery, and has perhaps answered accepted or rejected (else null) with a reason: the transition takes those steps that its state allows, and no other call is needed. Hearing of it again changes nothing.';

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
comment on column flywheel.worker_slots.processed_total is 'Events handled by the slot''s workers, ever. Each adds its own as it leaves: what one that was killed, or that stayed beyond its slot''s end, had committed is missing.';

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

-- flywheel/replays.sql
create table flywheel.replays (
  replay_id uuid primary key default gen_random_uuid(),
  user_id uuid,
  since timestamptz,
  only_failed boolean not null,
  asked_at timestamptz not null default clock_timestamp(),
  users_total bigint not null default 0,
  events_total bigint not null default 0,
  users bigint not null default 0,
  events bigint not null default 0,
  last_user uuid,
  finished_at timestamptz,
  stopped_at timestamptz
);

create index replays_running on flywheel.replays (asked_at)
where finished_at is null and stopped_at is null;

alter table flywheel.replays enable row level security;

comment on table flywheel.replays is
  'Replays that were asked for, and how far they are: workers set the users back piece by piece, whenever nothing else is due.';
comment on column flywheel.replays.replay_id is 'Names the replay.';
comment on column flywheel.replays.user_id is 'The one user to fold anew, or null for all.';
comment on column flywheel.replays.since is 'Only users with events received since then.';
comment on column flywheel.replays.only_failed is 'Only users with dead letters.';
comment on column flywheel.replays.asked_at is 'When it was asked for.';
comment on column flywheel.replays.users_total is 'How many users it was to set back when it was asked for.';
comment on column flywheel.replays.events_total is 'How many events these users had.';
comment on column flywheel.replays.users is 'Users set back so far.';
comment on column flywheel.replays.events is 'Events of these users, to be folded anew.';
comment on column flywheel.replays.last_user is 'Users are set back in the order of their ids: the last one so far. Null before the first and after the end.';
comment on column flywheel.replays.finished_at is 'When the last user was set back.';
comment on column flywheel.replays.stopped_at is 'When it was stopped; users set back until then are folded all the same.';

-- flywheel/enter.sql
create function flywheel.enter()
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  entered json;
begin
  insert into flywheel.worker_slots (slot)
  select n.slot
  from flywheel.settings as s, generate_series(1, s.max_workers) as n (slot)
  where not exists (select from flywheel.worker_slots as w where w.slot = n.slot)
  on conflict do nothing;

  -- No slot is held for longer than twice the budget: that may have been lowered since, or the clock set back.
  update flywheel.worker_slots as w
  set expires_at = clock_timestamp() + 2 * s.work_budget
  from flywheel.settings as s
  where w.slot in (
    select l.slot
    from flywheel.worker_slots as l, flywheel.settings as o
    where l.expires_at > clock_timestamp() + 2 * o.work_budget
    for no key update of l skip locked
  );

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
    expires_at = clock_timestamp() + 2 * s.work_budget
  from free as f, flywheel.settings as s
  where w.slot = f.slot
  returning json_build_object(
    'token', w.token,
    'work_budget_ms', (extract(epoch from s.work_budget) * 1000)::integer,
    'work_events', s.work_events,
    'linger_ms', (extract(epoch from s.linger) * 1000)::integer,
    'lease_ms', (extract(epoch from s.lease_time) * 1000)::integer
  )
  into entered;

  return entered;
end
$$;

comment on function flywheel.enter() is
  'Gives the caller a worker''s slot: { token, work_budget_ms, work_events, linger_ms, lease_ms }, or null where settings.max_workers are at work, who will find what there is. A slot that its worker does not give back is free again after twice settings.work_budget: the worker has died, or ends what it has leased beside another.';

-- flywheel/lease.sql
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

-- flywheel/extend.sql
create function flywheel.extend(token uuid, users uuid[])
returns json
language sql
security definer
set search_path = ''
as $$
  -- Until this is committed no lower settings come than the next statement reads. Before any stream is locked, since lower ones lock
  -- streams as well.
  select pg_advisory_xact_lock_shared(hashtextextended('flywheel.waits', 0));

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  with held as materialized (
    select s.user_id
    from flywheel.streams as s
    where s.user_id = any (extend.users) and s.lease_token = extend.token
    order by s.user_id
    for no key update
  ),
  extended as (
    update flywheel.streams as s
    set available_at = clock_timestamp() + o.lease_time
    from held as h, flywheel.settings as o
    where s.user_id = h.user_id
    returning s.user_id
  )
  select coalesce(json_agg(e.user_id), '[]') from extended as e
$$;

comment on function flywheel.extend(uuid, uuid[]) is
  'Gives a lease another settings.lease_time from now for these of its users. Returns the users that the token still holds: the others were leased to somebody else, or set back.';

-- flywheel/postpone.sql
create function flywheel.postpone(token uuid, users uuid[])
returns void
language sql
security definer
set search_path = ''
as $$
  -- Until this is committed no lower settings come than the next statement reads. Before any stream is locked, since lower ones lock
  -- streams as well.
  select pg_advisory_xact_lock_shared(hashtextextended('flywheel.waits', 0));

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  with held as materialized (
    select s.user_id
    from flywheel.streams as s
    where s.user_id = any (postpone.users) and s.lease_token = postpone.token
    order by s.user_id
    for no key update
  )
  update flywheel.streams as s
  set
    -- So that at least one more attempt is left before the last.
    attempts = least(s.attempts, o.max_attempts - 2),
    available_at = clock_timestamp() + flywheel.backoff(s.attempts)
  from held as h, flywheel.settings as o
  where s.user_id = h.user_id
$$;

comment on function flywheel.postpone(uuid, uuid[]) is
  'Puts a lease off whose worker lives but could not commit, as while a table cannot be written: such attempts never use up settings.max_attempts, and no event is set aside for them. The token stays, so that they are leased one by one.';

-- flywheel/write_dead_letters.sql
create function flywheel.write_dead_letters(set_aside jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.phoenix_events as e
  set ai_processing_error = s.error
  from jsonb_to_recordset(set_aside) as s (user_id uuid, version bigint, error text)
  where e.user_id = s.user_id and e.version = s.version and s.user_id = any (committed);
end
$$;

comment on function flywheel.write_dead_letters(jsonb, uuid[]) is
  'Marks the events that committed users leave behind: [ { user_id, version, error } ]. A null error heals one set aside before.';

-- flywheel/write_nudges.sql
create function flywheel.write_nudges(effects jsonb, committed uuid[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  new_nudges bigint;
begin
  with written as (
    insert into public.phoenix_nudges_sent as n (
      user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message,
      cta_label, cta_url, causation_id, correlation_id, sent_at, expires_at,
      converted_at, expired_at, cancelled_at
    )
    select
      e.user_id, e.effect_id, e.nudge_type, e.app_source, e.target_app, e.variant, e.title, e.message,
      e.cta_label, e.cta_url, e.causation_id, e.correlation_id,
      to_timestamp(e.at / 1000.0), to_timestamp(e.expires_at / 1000.0),
      to_timestamp(e.converted_at / 1000.0), to_timestamp(e.expired_at / 1000.0), to_timestamp(e.cancelled_at / 1000.0)
    from jsonb_to_recordset(effects) as e (
      user_id uuid, effect_id uuid, nudge_type text, app_source text, target_app text, variant text, title text,
      message text, cta_label text, cta_url text, causation_id text, correlation_id text, at bigint, expires_at bigint,
      converted_at bigint, expired_at bigint, cancelled_at bigint
    )
    where e.user_id = any (committed)
      -- A backlog or a replay may reach so far back that a nudge is over before anybody could see it. If it was written before, what
      -- has become of it is written still. Looked up one by one, as in flywheel.write_events().
      and (
        to_timestamp(e.expires_at / 1000.0) > clock_timestamp()
        or exists (
          select from public.phoenix_nudges_sent as k
          where k.user_id = e.user_id and k.nudge_id = e.effect_id
          offset 0
        )
      )
    on conflict (user_id, nudge_id) do update
    set
      converted_at = coalesce(n.converted_at, excluded.converted_at),
      expired_at = coalesce(n.expired_at, excluded.expired_at),
      cancelled_at = case when n.status = 'pending' then excluded.cancelled_at else n.cancelled_at end
    where num_nonnulls(excluded.converted_at, excluded.expired_at, excluded.cancelled_at) > 0
    -- An updated row has a predecessor.
    returning n.held_out, n.xmax = 0 as is_new
  )
  select count(*) into new_nudges from written as w where w.is_new and not w.held_out;

  return new_nudges;
end
$$;

comment on function flywheel.write_nudges(jsonb, uuid[]) is
  'Writes the nudges of committed users, each once, whatever is replayed, but for those whose time was over before they were written. Times in milliseconds since 1970. Returns how many are new and not held out.';

-- flywheel/write_nudge_changes.sql
create function flywheel.write_nudge_changes(effects jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.phoenix_nudges_sent as n
  set
    converted_at = case when e.change = 'converted' then coalesce(n.converted_at, e.happened_at) else n.converted_at end,
    expired_at = case when e.change = 'expired' then coalesce(n.expired_at, e.happened_at) else n.expired_at end,
    -- One that was seen before is not taken back any more.
    cancelled_at = case when e.change = 'cancelled' and n.status = 'pending' then e.happened_at else n.cancelled_at end
  from (
    select r.user_id, r.nudge_id, r.change, to_timestamp(r.at / 1000.0) as happened_at
    from jsonb_to_recordset(effects) as r (user_id uuid, nudge_id uuid, change text, at bigint)
    where r.user_id = any (committed)
  ) as e
  where n.user_id = e.user_id and n.nudge_id = e.nudge_id;
end
$$;

comment on function flywheel.write_nudge_changes(jsonb, uuid[]) is
  'Writes what became of nudges of committed users: converted, expired or cancelled, each of which ends a nudge and so happens to it once. One that was seen is not cancelled any more. at: milliseconds since 1970.';

-- flywheel/write_events.sql
create function flywheel.write_events(
  effects jsonb,
  committed uuid[],
  heads bigint[],
  ahead integer[],
  receipts timestamptz[]
)
returns integer[]
language plpgsql
set search_path = ''
as $$
declare
  told integer[] := array_fill(0, array[cardinality(committed)]);
  appended record;
begin
  for appended in
    with telling as (
      select distinct on (e.user_id, e.effect_id) e.*, array_position(committed, e.user_id) as owner
      from rows from (
        jsonb_to_recordset(effects) as (
          user_id uuid, effect_id uuid, causation_id text, correlation_id text, at bigint,
          event_type text, app_source text, payload jsonb, subject text
        )
      ) with ordinality as e (
        user_id, effect_id, causation_id, correlation_id, at, event_type, app_source, payload, subject, place
      )
      where e.user_id = any (committed)
        and not exists (
          select from public.phoenix_events as k where k.user_id = e.user_id and k.event_id = e.effect_id
        )
        -- Nothing is told of a nudge that was never written, nor that one was cancelled which was seen, or ended otherwise, before.
        -- Looked up one by one: without the offset all nudges are read.
        and (
          not e.payload ? 'nudge_id'
          or exists (
            select from public.phoenix_nudges_sent as n
            where n.user_id = e.user_id
              and n.nudge_id = (e.payload ->> 'nudge_id')::uuid
              -- It may be new, and taken back by this very commit.
              and (
                e.event_type <> 'nudge.cancelled'
                or n.status = 'pending'
                or n.cancelled_at = to_timestamp(e.at / 1000.0)
              )
            offset 0
          )
        )
      order by e.user_id, e.effect_id, e.place
    )
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload,
      correlation_id, causation_id, "timestamp", received_at, event_hash
    )
    select
      t.user_id,
      heads[t.owner] + row_number() over (partition by t.user_id order by t.place),
      t.effect_id,
      t.event_type,
      t.app_source,
      t.payload,
      t.correlation_id,
      coalesce(t.causation_id, t.subject),
      to_timestamp(t.at / 1000.0),
      receipts[t.owner],
      sha256(uuid_send(t.effect_id))
    from telling as t
    returning array_position(committed, user_id) as owner
  loop
    told[appended.owner] := told[appended.owner] + 1;
  end loop;

  if exists (select from unnest(told, ahead) as c (told, ahead) where c.told < c.ahead) then
    raise exception 'What was folded ahead is told already, or has no story to tell.';
  end if;
  return told;
end
$$;

comment on function flywheel.write_events(jsonb, uuid[], bigint[], integer[], timestamptz[]) is
  'Appends what the flywheel itself has to tell behind the heads of committed users'' streams, which the caller has locked and lengthens: each event once, whatever is replayed, and none that a nudge''s row contradicts. Each has its cause, which for a timer is what the event tells of. ahead: how many of these events are folded already, for each of the users. receipts: when what is told of each of them counts as received. at: milliseconds since 1970. Returns how many were new, for each of the users. Raises an error where fewer are new than were folded ahead.';

-- flywheel/write_expiries.sql
create function flywheel.write_expiries(effects jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  perform flywheel.move_transition(t, 'expired', 'unanswered', clock_timestamp())
  from jsonb_to_recordset(effects) as e (user_id uuid, transition_id uuid)
  join public.phoenix_transitions as t
    on t.user_id = e.user_id and t.transition_id = e.transition_id
  where e.user_id = any (committed) and flywheel.step_allowed(t.status, 'expired');
end
$$;

comment on function flywheel.write_expiries(jsonb, uuid[]) is
  'Expires the transitions of committed users that nobody has answered: [ { user_id, transition_id } ]. What was answered meanwhile stays as it is.';

-- flywheel/write_transitions.sql
create function flywheel.write_transitions(effects jsonb, committed uuid[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  effect record;
  opening public.phoenix_transitions;
  opened bigint := 0;
begin
  for effect in
    select e.*
    from rows from (
      jsonb_to_recordset(effects) as (
        user_id uuid, effect_id uuid, source_app text, target_app text, context jsonb, causation_id text,
        correlation_id text, at bigint, expires_at bigint
      )
    ) with ordinality as e (
      user_id, effect_id, source_app, target_app, context, causation_id, correlation_id, at, expires_at, place
    )
    where e.user_id = any (committed) and e.expires_at > extract(epoch from clock_timestamp()) * 1000
    order by e.place
  loop
    opening := null;
    opening.transition_id := effect.effect_id;
    opening.user_id := effect.user_id;
    opening.source_app := effect.source_app;
    opening.target_app := effect.target_app;
    opening.context := effect.context;
    opening.status := 'requested';
    opening.requested_at := to_timestamp(effect.at / 1000.0);
    opening.expires_at := to_timestamp(effect.expires_at / 1000.0);
    opening.causation_id := effect.causation_id;
    opening.correlation_id := effect.correlation_id;
    if flywheel.open_transition(opening) then
      opened := opened + 1;
    end if;
  end loop;
  return opened;
end
$$;

comment on function flywheel.write_transitions(jsonb, uuid[]) is
  'Opens the transitions of committed users in their order, each once, whatever is replayed. Times in milliseconds since 1970. One whose time was over before it was ever folded is left out. Returns how many were new.';

-- analytics/rollups.sql
create table flywheel.rollups (
  figure text not null,
  day date not null,
  app_source text not null,
  key text not null,
  count bigint not null,
  users bigint not null,
  total numeric not null,
  primary key (figure, day, app_source, key)
)
with (fillfactor = 70);

alter table flywheel.rollups enable row level security;

comment on table flywheel.rollups is
  'What the analysts'' figures are added up from, so that none of them reads the log. flywheel.figures() defines each figure; flywheel.current_rollups adds what is not merged yet.';
comment on column flywheel.rollups.figure is 'What is counted, such as event or last_event.';
comment on column flywheel.rollups.day is 'The UTC day on which it happened; for figures by week, the week''s Monday.';
comment on column flywheel.rollups.app_source is 'The app; empty for figures that are not counted by app, or over all apps.';
comment on column flywheel.rollups.key is 'What else the figure is counted by, such as the event''s type; empty where there is nothing.';
comment on column flywheel.rollups.count is 'How many.';
comment on column flywheel.rollups.users is 'Of how many users, where the figure says so.';
comment on column flywheel.rollups.total is 'A sum in microseconds, cents or hundredths, where the figure has one.';

-- analytics/sum_of.sql
create function flywheel.sum_of(numbers integer[])
returns bigint
language sql
immutable
parallel safe
set search_path = ''
return (select coalesce(sum(n.number), 0)::bigint from unnest(numbers) as n (number));

comment on function flywheel.sum_of(integer[]) is 'What the numbers of an array add up to.';

-- analytics/durations.sql
create table flywheel.durations (
  figure text not null,
  day date not null,
  app_source text not null,
  key text not null,
  span integer not null,
  seconds integer[] not null,
  times integer[] not null,
  count bigint not null generated always as (flywheel.sum_of(times)) stored,
  primary key (figure, day, app_source, key, span)
)
with (fillfactor = 70);

alter table flywheel.durations enable row level security;

comment on table flywheel.durations is
  'The durations of those figures of flywheel.rollups that have percentiles: a row for each span of seconds, so that neither one more duration nor a percentile costs what all of them would.';
comment on column flywheel.durations.figure is 'The figure, as in flywheel.rollups.';
comment on column flywheel.durations.day is 'Its day.';
comment on column flywheel.durations.app_source is 'Its app.';
comment on column flywheel.durations.key is 'Its key.';
comment on column flywheel.durations.span is 'Which span: the whole part of four times the natural logarithm of its seconds and one, so that there are 37 from a minute to a week, and a percentile looks into few.';
comment on column flywheel.durations.seconds is 'The durations in it, each once, in ascending order.';
comment on column flywheel.durations.times is 'How often each of them is there.';
comment on column flywheel.durations.count is 'How many these are.';

-- analytics/rollup_increments.sql
create table flywheel.rollup_increments (
  increment_id bigint generated always as identity primary key,
  increments text not null
)
with (
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500
);

-- Rows live for seconds: compressing them costs more than it saves.
alter table flywheel.rollup_increments alter column increments set storage external;

alter table flywheel.rollup_increments enable row level security;

comment on table flywheel.rollup_increments is
  'What commits added to the rollups, a row a commit, until flywheel.merge_rollups() adds it up: no two commits ever write the same row.';
comment on column flywheel.rollup_increments.increment_id is 'Which one.';
comment on column flywheel.rollup_increments.increments is
  'A JSON array of [ figure, day (days since 1970), app_source, key, count, users, total ], with two arrays of seconds, to remember and to forget, where there are any.';

-- analytics/pending_rollups.sql
create view flywheel.pending_rollups
with (security_invoker = true)
as
select
  i.increment_id,
  r.value ->> 0 as figure,
  date '1970-01-01' + (r.value ->> 1)::integer as day,
  r.value ->> 2 as app_source,
  r.value ->> 3 as key,
  (r.value ->> 4)::bigint as count,
  (r.value ->> 5)::bigint as users,
  trim_scale((r.value ->> 6)::numeric) as total,
  r.value -> 7 as remembered,
  r.value -> 8 as forgotten
from flywheel.rollup_increments as i
cross join lateral jsonb_array_elements(i.increments::jsonb) as r;

comment on view flywheel.pending_rollups is
  'What commits have added to the rollups and is not merged yet, a row a figure; remembered and forgotten are arrays of seconds, or null.';

-- analytics/pending_durations.sql
create view flywheel.pending_durations
with (security_invoker = true)
as
select
  p.increment_id,
  p.figure,
  p.day,
  p.app_source,
  p.key,
  floor(4 * ln(s.second::double precision + 1))::integer as span,
  s.second,
  s.times
from flywheel.pending_rollups as p
cross join lateral (
  select e.value::integer as second, 1 as times from jsonb_array_elements_text(p.remembered) as e
  union all
  select e.value::integer, -1 from jsonb_array_elements_text(p.forgotten) as e
) as s
where p.remembered is not null;

comment on view flywheel.pending_durations is
  'The durations in flywheel.pending_rollups, a row each: times is 1 for one to remember, -1 for one to forget.';

-- analytics/current_rollups.sql
create view flywheel.current_rollups
with (security_invoker = true)
as
select r.figure, r.day, r.app_source, r.key, r.count, r.users, r.total
from flywheel.rollups as r
union all
select p.figure, p.day, p.app_source, p.key, p.count, p.users, p.total
from flywheel.pending_rollups as p;

comment on view flywheel.current_rollups is
  'The rollups up to the last commit. The same figure may stand in several rows, one of them negative: readers add them up.';

-- analytics/event_rollups.sql
create view flywheel.event_rollups
-- Some figures have as their key what users wrote, such as a job. A barrier, so that a query's own function is never asked about those rows.
with (security_invoker = true, security_barrier = true)
as
select r.figure, r.day, r.app_source, r.key, r.count, r.users, r.total
from flywheel.current_rollups as r
where r.figure in ('event', 'first_event');

comment on view flywheel.event_rollups is
  'Of the current rollups those whose key is a type of events. A query''s own conditions are not evaluated on any other row.';

-- analytics/text_in.sql
create function flywheel.text_in(value jsonb, most integer)
returns text
language sql
immutable
parallel safe
set search_path = ''
return case
  when jsonb_typeof(value) = 'string' and length(value #>> '{}') between 1 and most then value #>> '{}'
end;

comment on function flywheel.text_in(jsonb, integer) is
  'A payload''s text where it is one of 1 to that many characters, else null.';

-- analytics/hundredths_in.sql
create function flywheel.hundredths_in(value jsonb, least_value double precision, most_value double precision)
returns bigint
language sql
stable
parallel safe
set search_path = ''
return case
  when jsonb_typeof(value) <> 'number' then null
  -- What is too small for a double is 0 in JavaScript, while to cast it is an error; what is too large nobody can publish.
  when not pg_input_is_valid(value #>> '{}', 'double precision') then case when 0 between least_value and most_value then 0 end
  when value::double precision between least_value and most_value then floor(value::double precision * 100 + 0.5)
end;

comment on function flywheel.hundredths_in(jsonb, double precision, double precision) is
  'A payload''s number in whole hundredths, half a hundredth rounded up, where it is one within bounds, else null.';

-- analytics/journey_steps.sql
create function flywheel.journey_steps()
returns table (step integer, event_type text)
language sql
immutable
parallel safe
rows 8
set search_path = ''
as $$
  values
    (1, 'exploration_commencée'),
    (2, 'valeurs_explorées'),
    (3, 'compétences_révélées'),
    (4, 'tests_psychométriques_complétés'),
    (5, 'recommandations_générées'),
    (6, 'validation_ia_effectuée'),
    (7, 'métier_choisi'),
    (8, 'transition_écosystème')
$$;

comment on function flywheel.journey_steps() is 'The steps of an exploration with Aube, in the order that Aube proposes.';

-- analytics/says.sql
create function flywheel.says(value jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = ''
-- JavaScript's white space, as trim() takes it away.
return coalesce(value #>> '{}', '')
  ~ '[^\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]' collate "C";

comment on function flywheel.says(jsonb) is
  'Whether a value of a payload says something: a field left blank is as one left out.';

-- analytics/transition_target.sql
create function flywheel.transition_target(payload jsonb)
returns text
language sql
immutable
parallel safe
set search_path = ''
return (
  select case when t.target ~ '^[a-z0-9_-]{1,50}$' then t.target else '' end
  from (
    select regexp_replace(coalesce(flywheel.text_in(s.said, 100), ''), '^phoenix_', '') as target
    from (
      select case
        when flywheel.says(payload -> 'target_app') then payload -> 'target_app'
        else payload -> 'app_cible'
      end as said
    ) as s
  ) as t
);

comment on function flywheel.transition_target(jsonb) is
  'The app that a transition_écosystème leads to, by the first of its two names that says something, without phoenix_; empty where that is no app''s name.';

-- analytics/transition_taken.sql
create function flywheel.transition_taken(payload jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = ''
return case
  when flywheel.says(payload -> 'status') then payload -> 'status' = '"accepted"'
  else not flywheel.says(payload -> 'target_app') and not flywheel.says(payload -> 'app_cible')
end;

comment on function flywheel.transition_taken(jsonb) is
  'Whether a transition_écosystème says for the first time that it was taken; one that names neither an app nor a status says so by itself. One that names an app asks for it, however badly it is written.';

-- analytics/figures.sql
create function flywheel.figures(of_users uuid[], upto bigint[])
returns table (
  figure text,
  day date,
  app_source text,
  key text,
  count bigint,
  users bigint,
  total numeric,
  seconds integer[]
)
language plpgsql
stable
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
-- The planner cannot know how many events there will be, and a nested loop would be quadratic in them.
set enable_nestloop = off
-- Callers may have switched these off, to look up a few rows by their keys.
set enable_hashjoin = on
set enable_material = on
set jit = off
as $$
#variable_conflict use_column
begin
  return query
  with logged as materialized (
    select
      e.user_id,
      e.version,
      e.event_type,
      e.app_source,
      t.at,
      (t.at at time zone 'UTC')::date as day,
      case
        when e.event_type in (
          'métier_choisi', 'feedback.submitted', 'subscription.activated', 'transition_écosystème'
        ) then e.payload
      end as payload
    from unnest(of_users, upto) as u (user_id, version)
    -- Each user's events by the primary key, however many users there are.
    cross join lateral (
      select v.*
      from public.phoenix_events as v
      where v.user_id = u.user_id and v.version <= u.version
      offset 0
    ) as e
    cross join lateral (
      select greatest(e."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
    ) as t
  ),
  beyond as (
    select c.user_id, c.app_source
    from (
      select l.user_id, l.app_source, row_number() over (partition by l.user_id order by min(l.version)) as place
      from logged as l
      group by l.user_id, l.app_source
    ) as c
    where c.place > 100 and c.app_source <> 'flywheel'
  ),
  event as materialized (
    select
      l.user_id, l.version, l.event_type, l.at, l.day, l.payload,
      case when b.app_source is null then l.app_source else 'other' end as app_source
    from logged as l
    left join beyond as b on b.user_id = l.user_id and b.app_source = l.app_source
  ),
  timed as (
    select
      e.*,
      case
        when e.app_source <> 'flywheel'
          then e.at - lag(e.at) over (partition by e.user_id, e.app_source = 'flywheel' order by e.at, e.version)
      end as since
    from event as e
  ),
  typed as materialized (
    select d.*, case when d.is_named then d.event_type else 'other' end as key
    from (
      select
        t.user_id, t.day, t.app_source, t.event_type,
        count(*) as events,
        sum(extract(epoch from t.since) * 1000000) as micros,
        bool_or(t.since is null) and t.app_source <> 'flywheel' as has_first,
        row_number() over (partition by t.user_id, t.day, t.app_source = 'flywheel' order by min(t.version)) <= 200
          or t.app_source = 'flywheel' as is_named
      from timed as t
      group by t.user_id, t.day, t.app_source, t.event_type
    ) as d
  ),
  presence as (
    select e.user_id, e.app_source, max(e.day) as last_day
    from event as e
    group by e.user_id, e.app_source
  ),
  active_week as (
    select distinct e.user_id, a.app_source, date_trunc('week', e.day::timestamp)::date as week
    from event as e
    cross join lateral (values (e.app_source), ('')) as a (app_source)
    where e.app_source <> 'flywheel'
  ),
  exploration as (
    select
      e.user_id,
      max(e.at) filter (where e.event_type = 'exploration_commencée') as begun,
      max(e.at) filter (where e.event_type = 'métier_choisi') as chosen,
      -- Of two at one instant the one that was received first comes first.
      max(e.place) filter (where e.event_type = 'exploration_commencée')
        < max(e.place) filter (where e.event_type = 'métier_choisi') as is_done
    from (
      select v.*, array[extract(epoch from v.at), v.version] as place
      from event as v
      where v.event_type in ('exploration_commencée', 'métier_choisi')
    ) as e
    group by e.user_id
  ),
  reached as (
    select e.user_id, s.step, e.event_type, min(e.at) as at
    from event as e
    join flywheel.journey_steps() as s
      on s.event_type = e.event_type
    where e.event_type <> 'transition_écosystème'
      or flywheel.transition_taken(e.payload)
      or e.payload -> 'status' = '"completed"'
    group by e.user_id, s.step, e.event_type
  ),
  path as (
    select
      r.*,
      date_trunc('week', min(r.at) filter (where r.step = 1) over of_user at time zone 'UTC')::date as week,
      max(r.step) over of_user >= 7 as has_chosen,
      r.at - lag(r.at) over in_time as since,
      lead(r.at) over in_time is null as is_last
    from reached as r
    window
      of_user as (partition by r.user_id),
      in_time as (partition by r.user_id order by r.at, r.step)
  ),
  product as (
    select
      p.user_id,
      p.last_day,
      max(p.last_day) over (partition by p.user_id) as latest_day,
      row_number() over (partition by p.user_id order by p.last_day desc) as many
    from presence as p
    where p.app_source in ('aube', 'cv', 'letters', 'rise')
  ),
  payment as (
    select y.*, max(y.day) over (partition by y.user_id) as latest_day
    from (
      select
        d.user_id,
        d.day,
        d.cents,
        d.payments,
        -- Counts alone are taken back as the window moves on.
        (count(*) filter (where d.aube) over soon > 0)::integer
        + (count(*) filter (where d.cv) over soon > 0)::integer
        + (count(*) filter (where d.letters) over soon > 0)::integer
        + (count(*) filter (where d.rise) over soon > 0)::integer as products
      -- A row a day: a window of all events finds no room in memory, and reads a year of them again for each.
      from (
        select
          e.user_id,
          e.day,
          bool_or(e.app_source = 'aube') as aube,
          bool_or(e.app_source = 'cv') as cv,
          bool_or(e.app_source = 'letters') as letters,
          bool_or(e.app_source = 'rise') as rise,
          count(p.cents) as payments,
          sum(p.cents) as cents
        from event as e
        cross join lateral (
          select case
            when e.event_type = 'subscription.activated' then flywheel.hundredths_in(e.payload -> 'amount_eur', 0, 1000000)
          end as cents
        ) as p
        where e.app_source in ('aube', 'cv', 'letters', 'rise')
          or e.event_type = 'subscription.activated' and e.app_source <> 'flywheel'
        group by e.user_id, e.day
      ) as d
      window soon as (
        partition by d.user_id order by d.day range between current row and interval '366 days' following
      )
    ) as y
    where y.payments > 0
  ),
  transition as (
    select
      e.user_id,
      e.version,
      e.at,
      e.day,
      case when e.app_source = 'flywheel' then flywheel.text_in(e.payload -> 'transition_id', 200) end as transition_id,
      coalesce(e.payload -> 'status', 'null') as status,
      flywheel.transition_target(e.payload) as target,
      flywheel.transition_taken(e.payload) as is_taken
    from event as e
    where e.event_type = 'transition_écosystème'
  ),
  told as (
    select
      t.*,
      lag(t.status) over story as status_before,
      lag(t.at) over story as asked_at,
      (lag(t.at) over story at time zone 'UTC')::date as asked_on
    from transition as t
    where t.transition_id is not null
      and t.status in ('"requested"', '"accepted"', '"rejected"', '"expired"')
    window story as (partition by t.user_id, t.transition_id order by t.version)
  ),
  taken as (
    select t.* from told as t where t.status = '"accepted"' and t.status_before = '"requested"'
  )

  select
    'event', t.day, t.app_source, t.key,
    sum(t.events)::bigint, count(*) filter (where t.is_named), coalesce(sum(t.micros), 0), null::integer[]
  from typed as t
  group by t.day, t.app_source, t.key
  union all
  select 'first_event', t.day, t.app_source, t.key, count(*), 0, 0, null
  from typed as t
  where t.has_first
  group by t.day, t.app_source, t.key
  union all
  select 'retention', w.cohort, w.app_source, ((w.week - w.cohort) / 7)::text, count(*), 0, 0, null
  from (
    select a.*, min(a.week) over (partition by a.user_id, a.app_source) as cohort from active_week as a
  ) as w
  group by w.cohort, w.app_source, (w.week - w.cohort) / 7
  union all
  select 'last_event', p.last_day, p.app_source, '', count(*), 0, 0, null
  from presence as p
  group by p.last_day, p.app_source
  union all
  select 'last_event', u.last_day, '', '', count(*), 0, 0, null
  from (select max(p.last_day) as last_day from presence as p group by p.user_id) as u
  group by u.last_day
  union all
  select 'exploring', (x.begun at time zone 'UTC')::date, '', '', count(*), 0, 0, null
  from exploration as x
  where x.begun is not null
  group by 2
  union all
  select 'exploration_completed', (least(x.begun, x.chosen) at time zone 'UTC')::date, '', '', count(*), 0, 0, null
  from exploration as x
  where x.begun is not null and x.chosen is not null
  group by 2
  union all
  select
    'exploration_time', (x.begun at time zone 'UTC')::date, '', '',
    count(*), 0, sum(extract(epoch from x.chosen - x.begun) * 1000000), null
  from exploration as x
  where x.is_done
  group by 2
  union all
  select
    'step', p.week, '', p.event_type, count(*), 0, 0,
    array_agg(s.seconds order by s.seconds) filter (where s.seconds is not null)
  from path as p
  cross join lateral (
    select case
      when p.step > 1 and p.since is not null then least(floor(extract(epoch from p.since)), 2147483647)::integer
    end as seconds
  ) as s
  where p.week is not null
  group by p.week, p.event_type
  union all
  select 'exit', p.week, '', p.event_type, count(*), 0, 0, null
  from path as p
  where p.week is not null and p.is_last and not p.has_chosen
  group by p.week, p.event_type
  union all
  select 'job', c.day, '', c.job, count(*), 0, 0, null
  from (
    select distinct on (e.user_id) e.day, flywheel.text_in(e.payload -> 'métier', 100) as job
    from event as e
    where e.event_type = 'métier_choisi'
    order by e.user_id, e.at desc, e.version desc
  ) as c
  where c.job is not null
  group by c.day, c.job
  union all
  select
    'satisfaction', e.day, e.app_source, '',
    count(*), 0, sum(flywheel.hundredths_in(e.payload -> 'satisfaction', 1, 5)), null
  from event as e
  where e.event_type = 'feedback.submitted'
    and flywheel.hundredths_in(e.payload -> 'satisfaction', 1, 5) is not null
  group by e.day, e.app_source
  union all
  select 'products', p.last_day, '', p.many::text, count(*), 0, 0, null
  from product as p
  where p.many <= 2
  group by p.last_day, p.many
  union all
  select 'revenue', least(y.day, p.last_day), '', p.many::text, sum(y.payments)::bigint, 0, sum(y.cents), null
  from payment as y
  join product as p on p.user_id = y.user_id and p.many <= 2
  where p.many <= y.products or y.day > greatest(y.latest_day, p.latest_day) - 367
  group by 2, p.many
  union all
  select 'transition', t.day, '', '', count(*), 0, 0, null
  from transition as t
  where t.is_taken
  group by t.day
  union all
  select 'transition_asked', u.day, '', '', count(*), 0, 0, null
  from (select max(t.day) as day from told as t where t.status = '"requested"' group by t.user_id) as u
  group by u.day
  union all
  select 'transition_taken', u.day, '', '', count(*), 0, 0, null
  from (select max(t.asked_on) as day from taken as t group by t.user_id) as u
  group by u.day
  union all
  select
    'transition_time', t.asked_on, '', '', count(*), 0, sum(extract(epoch from t.at - t.asked_at) * 1000000), null
  from taken as t
  where t.at >= t.asked_at
  group by t.asked_on
  union all
  select 'transition_return', t.day, '', 'taken', count(*), 0, 0, null
  from taken as t
  group by t.day
  union all
  select 'transition_return', t.day, '', 'returned', count(*), 0, 0, null
  from taken as t
  join presence as p
    on p.user_id = t.user_id and p.app_source = t.target and p.last_day >= t.day + 30
  group by t.day;
end
$$;

comment on function flywheel.figures(uuid[], bigint[]) is
  'What the log says of users up to a version of each: the definition of every figure in the rollups.

Days are UTC days and weeks begin on Monday; an event counts on the day on which it happened, or in 1900 if it is said to have happened before. What happened counts, whatever the reactors made of it, but for payloads: a text or number that cannot be right is left out. App flywheel, as which the flywheel tells what it did, is an app in event, first_event and last_event alone. Of one user 100 apps, the first by version, count by their names, and of a day 200 types of event in these, again the first by version; those beyond are app other, and type other of their app. What the flywheel tells is not bounded.

event (day, app, type): events; users: how many, each for the first 200 apps and types of their day, and for all that the flywheel tells; total: microseconds since each user''s event before, of any app; none for the flywheel''s.
first_event (day, app, type): users whose first event it is, which so has none before; none for the flywheel''s.
last_event (day, app or all): users whose last event happened that day. All users of a period that ends today have theirs in it.
retention (week, app or all, weeks later): users whose first event happened in that week and who were there that many weeks later.
exploring (day): users whose last exploration_commencée happened that day.
exploration_completed (day): users with both, by the earlier of their last exploration_commencée and their last métier_choisi.
exploration_time (day of exploration_commencée): users whose last métier_choisi comes after it, at one instant by version; total: microseconds between the two.
step (week, step): users whose first exploration_commencée happened in that week and who reached the step, ever; seconds: from the step that each reached before it, in the order of the first time of each. A transition is reached when it is taken.
exit (week, step): of these the users who have not chosen a job, by the step that they reached last.
job (day, métier): users by the last day on which they chose a job, and the job, where that has a name of 100 characters at most. satisfaction (day, app): feedback.submitted events with one; total: hundredths.
products (day, 1 or 2): users by the last day in the product that they used last, or last but one; products are aube, cv, letters and rise.
revenue (day, 1 or 2): subscription.activated events with amount_eur, but for the flywheel''s, by the earlier of their day and that last day; total: cents. One whose user uses no product, or not two, in the 366 days after it counts until they have paid or used one later than that: no period reaches further back.
transition (day): transitions that were taken: transition_écosystème events that say accepted, or neither a status nor an app.
transition_asked, transition_taken (day): users by the last day on which one was requested, and on which one was requested that was accepted. Here and below transitions are those that the flywheel tells of.
transition_time (day of the request): transitions accepted, but not before they were requested, as by a clock that was set back in between; total: microseconds from request to acceptance.
transition_return (day of acceptance, taken or returned): transitions accepted, and those whose user was in the target app 30 days later or after.';

-- analytics/count_users.sql
create function flywheel.count_users(of_users uuid[], counted bigint[], upto bigint[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  with difference as (
    select
      f.figure, f.day, f.app_source, f.key,
      sum(f.times * f.count) as count,
      sum(f.times * f.users) as users,
      sum(f.times * f.total) as total,
      -- One list at most on each side.
      coalesce(max(f.seconds) filter (where f.times > 0), '{}') as remembered,
      coalesce(max(f.seconds) filter (where f.times < 0), '{}') as forgotten
    from (
      select 1 as times, n.* from flywheel.figures(of_users, upto) as n
      union all
      select -1, b.* from flywheel.figures(of_users, counted) as b
    ) as f
    group by f.figure, f.day, f.app_source, f.key
  )
  insert into flywheel.rollup_increments (increments)
  select
    jsonb_agg(
      jsonb_build_array(d.figure, d.day - date '1970-01-01', d.app_source, d.key, d.count, d.users, d.total)
      || case when d.remembered = d.forgotten then '[]' else jsonb_build_array(d.remembered, d.forgotten) end
    )
  from (
    -- A list of JSON ends at 256 MB, and one user may have used a million words.
    select d.*, row_number() over () / 10000 as piece
    from difference as d
    where d.count <> 0 or d.users <> 0 or d.total <> 0 or d.remembered <> d.forgotten
  ) as d
  group by d.piece;
end
$$;

comment on function flywheel.count_users(uuid[], bigint[], bigint[]) is
  'Counts users anew from the log, up to a version of each, in place of what was counted up to another: adds the difference to the rollups.';

-- analytics/uncount_user.sql
create function flywheel.uncount_user(user_id uuid)
returns void
language sql
set search_path = ''
as $$
  select flywheel.count_users(array[s.user_id], array[s.counted_version], array[0::bigint])
  from flywheel.streams as s
  where s.user_id = uncount_user.user_id
$$;

comment on function flywheel.uncount_user(uuid) is
  'Takes a user out of every figure, as if they had never been there: for an erasure, which has locked the stream and deletes the log next.';

-- analytics/write_increments.sql
create function flywheel.write_increments(
  increments text,
  committed uuid[],
  counted bigint[],
  upto bigint[],
  late boolean[]
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if increments <> '[]' then
    insert into flywheel.rollup_increments (increments) values (write_increments.increments);
  end if;

  select array_agg(c.user_id), array_agg(c.counted), array_agg(c.upto)
  into committed, counted, upto
  from unnest(committed, counted, upto, late) as c (user_id, counted, upto, is_late)
  where (c.is_late or increments is null) and c.upto > c.counted;
  if committed is not null then
    perform flywheel.count_users(committed, counted, upto);
  end if;
end
$$;

comment on function flywheel.write_increments(text, uuid[], bigint[], bigint[], boolean[]) is
  'Writes what a commit adds to the rollups: the increments that the worker worked out and, for users whom these leave out, what the log says between what was counted of each before and what is counted now. increments: null where the worker has worked out none. late: whether they leave a user out, because events came in another order than they happened.';

-- analytics/user_activity.sql
create table flywheel.user_activity (
  user_id uuid primary key,
  cv_last_at timestamptz,
  cv_third_last_at timestamptz,
  letters_last_at timestamptz
)
with (fillfactor = 80);

alter table flywheel.user_activity enable row level security;

comment on table flywheel.user_activity is
  'When users last did something in CV and Letters, for public.phoenix_nudge_opportunities: what the rules between the two look at. Signing in, paying and giving feedback are none of it, nor is what the flywheel tells. flywheel.logged_activity() defines it.';
comment on column flywheel.user_activity.user_id is 'Whose activity.';
comment on column flywheel.user_activity.cv_last_at is 'The last one in CV.';
comment on column flywheel.user_activity.cv_third_last_at is 'The third last one in CV.';
comment on column flywheel.user_activity.letters_last_at is 'The last one in Letters.';

-- analytics/logged_activity.sql
create function flywheel.logged_activity()
returns setof flywheel.user_activity
language sql
stable
set search_path = ''
as $$
  select
    e.user_id,
    max(e.at) filter (where e.app_source = 'cv'),
    max(e.at) filter (where e.app_source = 'cv' and e.place = 3),
    max(e.at) filter (where e.app_source = 'letters')
  from (
    select
      v.user_id,
      v.app_source,
      t.at,
      row_number() over (partition by v.user_id, v.app_source order by t.at desc) as place
    from public.phoenix_events as v
    join flywheel.streams as s
      on s.user_id = v.user_id and v.version <= s.counted_version
    cross join lateral (
      select greatest(v."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
    ) as t
    where v.app_source in ('cv', 'letters')
      and v.event_type not in (
        'user.registered', 'user.login', 'user.logout', 'user.tier_updated', 'subscription.activated',
        'feedback.submitted', 'nudge.shown', 'nudge.clicked', 'nudge.dismissed', 'nudge.converted',
        'nudge.expired', 'nudge.cancelled'
      )
  ) as e
  group by e.user_id
$$;

comment on function flywheel.logged_activity() is
  'What flywheel.user_activity has to hold, from the log: for every user with activity in CV or Letters, as far as they are counted.';

-- analytics/write_activity.sql
create function flywheel.write_activity(activity jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into flywheel.user_activity as a (user_id, cv_last_at, cv_third_last_at, letters_last_at)
  select
    r.user_id,
    timestamptz 'epoch' + (r.cv ->> -1)::bigint * interval '1 microsecond',
    timestamptz 'epoch' + (r.cv ->> -3)::bigint * interval '1 microsecond',
    timestamptz 'epoch' + (r.letters ->> -1)::bigint * interval '1 microsecond'
  from jsonb_to_recordset(activity) as r (user_id uuid, cv jsonb, letters jsonb)
  where r.user_id = any (committed)
  on conflict (user_id) do update
  set
    cv_last_at = excluded.cv_last_at,
    cv_third_last_at = excluded.cv_third_last_at,
    letters_last_at = excluded.letters_last_at;
end
$$;

comment on function flywheel.write_activity(jsonb, uuid[]) is
  'Writes what committed users did last in CV and Letters: [ { user_id, cv, letters } ], each the last times in microseconds since 1970, oldest first.';

-- analytics/verify_activity.sql
create function flywheel.verify_activity()
returns setof flywheel.user_activity
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(l.user_id, a.user_id), l.cv_last_at, l.cv_third_last_at, l.letters_last_at
  from flywheel.logged_activity() as l
  full join flywheel.user_activity as a on a.user_id = l.user_id
  where l.* is distinct from a.*
$$;

comment on function flywheel.verify_activity() is
  'What the log says of the users of whom flywheel.user_activity says something else: no row where it is right.';

-- analytics/rebuild_activity.sql
create function flywheel.rebuild_activity()
returns integer
language plpgsql
set search_path = ''
as $$
declare
  users uuid[];
begin
  users := array(select v.user_id from flywheel.verify_activity() as v);
  if cardinality(users) = 0 then
    return 0;
  end if;

  -- Locked in the order in which publications lock: what is read below then stays so until it is written.
  perform from flywheel.streams as s where s.user_id = any (users) order by s.user_id for no key update;

  delete from flywheel.user_activity as a where a.user_id = any (users);
  insert into flywheel.user_activity
  select l.* from flywheel.logged_activity() as l where l.user_id = any (users);
  return cardinality(users);
end
$$;

comment on function flywheel.rebuild_activity() is
  'Makes flywheel.user_activity equal to the log where it is not; the users concerned wait meanwhile. Returns how many there were.';

-- analytics/merge_rollups.sql
create function flywheel.merge_rollups()
returns integer
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
  ids bigint[];
begin
  -- One at a time; a worker that comes meanwhile has something better to do.
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.merge_rollups', 0)) then
    return 0;
  end if;

  ids := array(select i.increment_id from flywheel.rollup_increments as i order by i.increment_id limit 64);
  if cardinality(ids) = 0 then
    return 0;
  end if;

  -- A row that comes to nothing is deleted, above all where its key is what an erased user said.
  merge into flywheel.rollups as r
  using (
    select
      p.figure, p.day, p.app_source, p.key,
      sum(p.count) as count,
      sum(p.users) as users,
      sum(p.total) as total
    from flywheel.pending_rollups as p
    where p.increment_id = any (ids)
    group by p.figure, p.day, p.app_source, p.key
    having sum(p.count) <> 0 or sum(p.users) <> 0 or sum(p.total) <> 0
  ) as c
  on r.figure = c.figure and r.day = c.day and r.app_source = c.app_source and r.key = c.key
  when matched and r.count + c.count = 0 and r.users + c.users = 0 and r.total + c.total = 0 then delete
  when matched then
    update set count = r.count + c.count, users = r.users + c.users, total = r.total + c.total
  when not matched then
    insert (figure, day, app_source, key, count, users, total)
    values (c.figure, c.day, c.app_source, c.key, c.count, c.users, c.total);

  merge into flywheel.durations as d
  using (
    select c.figure, c.day, c.app_source, c.key, c.span, m.seconds, m.times
    from (
      select
        p.figure, p.day, p.app_source, p.key, p.span,
        array_agg(p.second) as seconds,
        array_agg(p.times) as times
      from flywheel.pending_durations as p
      where p.increment_id = any (ids)
      group by p.figure, p.day, p.app_source, p.key, p.span
    ) as c
    left join flywheel.durations as b
      on b.figure = c.figure and b.day = c.day and b.app_source = c.app_source and b.key = c.key and b.span = c.span
    -- What is there and what comes: each second once.
    cross join lateral (
      select array_agg(s.second order by s.second) as seconds, array_agg(s.times order by s.second) as times
      from (
        select u.second, sum(u.times)::integer as times
        from (
          select * from unnest(b.seconds, b.times)
          union all
          select * from unnest(c.seconds, c.times)
        ) as u (second, times)
        group by u.second
        having sum(u.times) <> 0
      ) as s
    ) as m
  ) as c
  on d.figure = c.figure and d.day = c.day and d.app_source = c.app_source and d.key = c.key and d.span = c.span
  when matched and c.seconds is null then delete
  -- A user who was counted anew mostly has the same durations as before.
  when matched and (c.seconds, c.times) is distinct from (d.seconds, d.times) then
    update set seconds = c.seconds, times = c.times
  when not matched and c.seconds is not null then
    insert (figure, day, app_source, key, span, seconds, times)
    values (c.figure, c.day, c.app_source, c.key, c.span, c.seconds, c.times);

  delete from flywheel.rollup_increments as i where i.increment_id = any (ids);
  return cardinality(ids);
end
$$;

comment on function flywheel.merge_rollups() is
  'Adds what commits have left in rollup_increments to the rollups, a bounded piece at a time. What is read does not change by it, only how fast. Returns how many commits it merged; 0 where there is nothing to merge or somebody else is at it.';

-- analytics/verify_rollups.sql
create function flywheel.verify_rollups()
returns table (
  figure text,
  day date,
  app_source text,
  key text,
  count bigint,
  users bigint,
  total numeric,
  remembered integer[],
  forgotten integer[]
)
language sql
stable
security definer
set search_path = ''
set work_mem = '64MB'
as $$
  -- One statement, one snapshot: commits that come meanwhile are in both sides or in neither.
  with logged as materialized (
    select f.*
    from (
      select
        array_agg(s.user_id order by s.user_id) as users,
        array_agg(s.counted_version order by s.user_id) as upto
      from flywheel.streams as s
      where s.counted_version > 0
    ) as s
    cross join lateral flywheel.figures(s.users, s.upto) as f
  ),
  number as (
    select
      n.figure, n.day, n.app_source, n.key,
      sum(n.count)::bigint as count,
      sum(n.users)::bigint as users,
      sum(n.total) as total
    from (
      select l.figure, l.day, l.app_source, l.key, l.count, l.users, l.total from logged as l
      union all
      select c.figure, c.day, c.app_source, c.key, -c.count, -c.users, -c.total from flywheel.current_rollups as c
    ) as n
    group by n.figure, n.day, n.app_source, n.key
    having sum(n.count) <> 0 or sum(n.users) <> 0 or sum(n.total) <> 0
  ),
  duration as (
    select
      d.figure, d.day, d.app_source, d.key,
      array_agg(d.second) filter (where d.times > 0) as remembered,
      array_agg(d.second) filter (where d.times < 0) as forgotten
    from (
      select s.figure, s.day, s.app_source, s.key, s.second, sum(s.times) as times
      from (
        select l.figure, l.day, l.app_source, l.key, unnest(l.seconds) as second, 1 as times from logged as l
        union all
        select r.figure, r.day, r.app_source, r.key, unnest(r.seconds), -unnest(r.times) from flywheel.durations as r
        union all
        select p.figure, p.day, p.app_source, p.key, p.second, -p.times from flywheel.pending_durations as p
      ) as s
      group by s.figure, s.day, s.app_source, s.key, s.second
      having sum(s.times) <> 0
    ) as d
    cross join lateral generate_series(1, abs(d.times))
    group by d.figure, d.day, d.app_source, d.key
  )
  select
    figure,
    day,
    app_source,
    key,
    coalesce(n.count, 0),
    coalesce(n.users, 0),
    coalesce(n.total, 0),
    coalesce(d.remembered, '{}'),
    coalesce(d.forgotten, '{}')
  from number as n
  full join duration as d using (figure, day, app_source, key)
$$;

comment on function flywheel.verify_rollups() is
  'Counts the log anew and says what the rollups lack to be equal to it, or have too much: no row where they are right. Reads everything; workers and publishers go on meanwhile.';

-- analytics/rebuild_rollups.sql
create function flywheel.rebuild_rollups()
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  corrections integer;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using
      errcode = '25001', message = 'Rollups are rebuilt in a transaction of isolation level read committed.';
  end if;
  -- Two rebuilds at once would both add what is missing.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.rebuild_rollups', 0));

  with written as (
    insert into flywheel.rollup_increments (increments)
    select
      jsonb_agg(
        jsonb_build_array(
          v.figure, v.day - date '1970-01-01', v.app_source, v.key, v.count, v.users, v.total, v.remembered, v.forgotten
        )
      )
    -- In pieces, as in flywheel.count_users().
    from (select v.*, row_number() over () / 10000 as piece from flywheel.verify_rollups() as v) as v
    group by v.piece
    returning jsonb_array_length(increments::jsonb) as corrections
  )
  select coalesce(sum(w.corrections), 0) into corrections from written as w;

  while flywheel.merge_rollups() > 0 loop
  end loop;
  return corrections + flywheel.rebuild_activity();
end
$$;

comment on function flywheel.rebuild_rollups() is
  'Makes the rollups, and flywheel.user_activity, equal to the log by adding what flywheel.verify_rollups() says that they lack: from nothing, or after damage. Workers and publishers go on meanwhile. Returns how many figures and users it corrected.';

-- flywheel/commit.sql
create function flywheel.commit(
  token uuid,
  shape text,
  results jsonb,
  states json,
  effects jsonb,
  increments text default null,
  leased_at bigint default null
)
returns json
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set jit = off
as $$
declare
  committed_at timestamptz;
  committed uuid[];
  heads bigint[];
  counted bigint[];
  versions bigint[];
  wakes timestamptz[];
  failed boolean[];
  late boolean[];
  ahead integer[];
  receipts timestamptz[];
  overtaken uuid[];
  told integer[];
  upto bigint[];
  nudges bigint := 0;
  transitions bigint := 0;
begin
  -- Who has failed waits by the settings, and as in flywheel.extend() no lower ones come until this is committed.
  if results @> '[{"failed": true}]' then
    perform pg_advisory_xact_lock_shared(hashtextextended('flywheel.waits', 0));
  end if;

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  select
    array_agg(h.user_id) filter (where h.is_current),
    array_agg(h.head) filter (where h.is_current),
    array_agg(h.counted_version) filter (where h.is_current),
    array_agg(h.version) filter (where h.is_current),
    array_agg(case when h.is_postponed then h.counted_version else greatest(h.counted_version, h.version) end)
      filter (where h.is_current),
    array_agg(case when h.is_postponed then least(h.wake_at, h.count_at) else h.wake_at end) filter (where h.is_current),
    array_agg(h.failed) filter (where h.is_current),
    array_agg(h.late) filter (where h.is_current),
    array_agg(h.ahead) filter (where h.is_current),
    array_agg(h.receipt) filter (where h.is_current),
    array_agg(h.user_id) filter (where not h.is_current)
  into committed, heads, counted, versions, upto, wakes, failed, late, ahead, receipts, overtaken
  from (
    select
      r.*,
      s.version as head,
      s.counted_version,
      s.count_at,
      -- What was folded ahead counts as received when it was leased; the stream has reached that time, and nothing came since.
      case
        when r.ahead > 0 then timestamptz 'epoch' + leased_at * interval '1 microsecond'
        when s.reached_at < clock_timestamp() then clock_timestamp()
        else flywheel.received_after(s.reached_at)
      end as receipt,
      coalesce(r.ahead, 0) = 0 or s.version + r.ahead = r.version as is_current,
      -- To count from the log takes its time. At the end of a short stream it is done at once; otherwise a while after the first late
      -- event, so that all of it costs little beside the folding.
      r.late and s.count_at > clock_timestamp() and (r.version < s.version or r.version > 2000) as is_postponed
    from (
      select f.*
      from jsonb_to_recordset(results)
        as f (user_id uuid, version bigint, wake_at timestamptz, failed boolean, late boolean, ahead integer)
      order by f.user_id
    ) as r
    -- Looked up one by one: a join may read all streams in their order, to spare itself the sorting.
    cross join lateral (
      select
        l.version,
        l.counted_version,
        l.reached_at,
        -- A user who is not wholly counted yet is woken for that at wake_at, unless a clock wrote it that was set back since.
        least(
          case when l.counted_version < l.processed_version then l.wake_at end,
          clock_timestamp() + greatest(interval '10 seconds', r.version * interval '1 millisecond')
        ) as count_at
      from flywheel.streams as l
      where l.user_id = r.user_id and l.lease_token = commit.token
      for no key update
    ) as s
  ) as h;

  committed_at := clock_timestamp();
  if overtaken is not null then
    -- What was folded ahead is not what comes next: those users are folded anew.
    update flywheel.streams as s
    set lease_token = null, available_at = committed_at
    where s.user_id = any (overtaken);
  end if;
  -- The increments are sums over all users who were folded: they do not hold if one is left out.
  if committed is null or increments is not null and cardinality(committed) < jsonb_array_length(results) then
    return json_build_object(
      'users', '[]'::json,
      'held', coalesce(to_json(committed), '[]'),
      'overtaken', coalesce(cardinality(overtaken), 0),
      'nudges', 0,
      'transitions', 0
    );
  end if;
  perform set_config('flywheel.quiet_until', 'Infinity', true);

  -- Effects are rare: each kind has its writer, called where there is something to write. What the flywheel itself tells
  -- lengthens the streams, so it comes before their rows, which are written once; and a nudge before what tells of it.
  if effects ? 'nudge' then
    nudges := flywheel.write_nudges(effects -> 'nudge', committed);
  end if;
  if effects ? 'event' then
    told := flywheel.write_events(effects -> 'event', committed, heads, ahead, receipts);
  end if;

  update flywheel.streams as s
  set
    version = r.head,
    processed_version = r.version,
    folded_version = greatest(s.folded_version, r.version),
    counted_version = r.upto,
    lease_token = null,
    wake_at = r.wake_at,
    reached_at = case when r.told > 0 then greatest(s.reached_at, r.receipt) else s.reached_at end,
    -- A failure beyond the first event of the lease is that event's first one.
    attempts = case
      when not r.failed then 0
      when r.version > s.processed_version then 1
      else s.attempts
    end,
    pending_since = case
      -- What a replay set back has waited since the replay, however long ago it was received.
      when r.version < s.folded_version then coalesce(s.pending_since, committed_at)
      when r.version < r.head then coalesce(next.received_at, committed_at)
    end,
    available_at = case
      when r.failed then committed_at + flywheel.backoff(
        case when r.version > s.processed_version then 1 else s.attempts end
      )
      when r.version < r.head then committed_at
      else r.wake_at
    end
  from (
    select c.user_id, c.head + coalesce(c.told, 0) as head, c.told, c.receipt, c.version, c.upto, c.wake_at, c.failed
    from unnest(committed, heads, told, receipts, versions, upto, wakes, failed)
      as c (user_id, head, told, receipt, version, upto, wake_at, failed)
  ) as r
  left join public.phoenix_events as next
    on next.user_id = r.user_id and next.version = r.version + 1
  where s.user_id = r.user_id;

  -- json_each() reads every escape, and so refuses what jsonb would: NUL and halves of characters.
  insert into flywheel.states as st (user_id, shape, state)
  select s.key::uuid, commit.shape, s.value
  from json_each(states) as s
  where s.key::uuid = any (committed)
  on conflict (user_id) do update
  set shape = excluded.shape, state = excluded.state;

  perform flywheel.write_increments(increments, committed, counted, upto, late);

  if effects ? 'set_aside' then
    perform flywheel.write_dead_letters(effects -> 'set_aside', committed);
  end if;
  if effects ? 'activity' then
    perform flywheel.write_activity(
      effects -> 'activity',
      array(select c.user_id from unnest(committed, versions, upto) as c (user_id, version, upto) where c.upto >= c.version)
    );
  end if;
  if effects ? 'nudge_change' then
    perform flywheel.write_nudge_changes(effects -> 'nudge_change', committed);
  end if;
  if effects ? 'expiry' then
    perform flywheel.write_expiries(effects -> 'expiry', committed);
  end if;
  if effects ? 'transition' then
    transitions := flywheel.write_transitions(effects -> 'transition', committed);
  end if;

  perform set_config('flywheel.quiet_until', '', true);
  return json_build_object(
    'users', to_json(committed),
    'held', '[]'::json,
    'overtaken', coalesce(cardinality(overtaken), 0),
    'nudges', nudges,
    'transitions', transitions
  );
end
$$;

comment on function flywheel.commit(uuid, text, jsonb, json, jsonb, text, bigint) is
  'Writes what a worker folded, in one transaction: checkpoints, states of that shape, effects. Users whose lease is no longer the token''s are refused whole, with all their effects. If there are increments, which are sums over all users, nothing is then written for anybody, and the users whose lease still is the token''s come back as held. results: [ { user_id, version, wake_at, failed, late: whether increments hold nothing of the user, who is counted from the log, now or with a later commit, ahead: how many of the events up to that version are not in the log yet, but are the user''s first effects of kind event } ]. A user for whom something was folded ahead, and who has published meanwhile, is refused whole as well. states: { <user_id>: state }. effects: { <kind>: [ { user_id, effect_id, causation_id, correlation_id, at (ms), … } ], set_aside: [ { user_id, version, error } ], activity: [ { user_id, cv, letters } ] }, each written once, whatever is replayed. increments: what all of them add to the rollups. leased_at: microseconds since 1970, when what was folded ahead counts as received. Returns { users: [ ids committed ], held: [ ids to be committed once more, without the others ], overtaken: how many had gone on meanwhile, nudges, transitions: how many were new }.';

-- flywheel/leave.sql
create function flywheel.leave(token uuid, processed bigint, hands_on boolean default false)
returns boolean
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  is_left boolean := hands_on;
begin
  update flywheel.worker_slots as w
  set
    token = null,
    expires_at = '-infinity',
    processed_total = w.processed_total + leave.processed
  where w.token = leave.token;

  -- What somebody has locked the next worker could not take either: to ring for it would be to ring on and on. A publication rings by
  -- itself, and the sweep comes.
  if not hands_on then
    begin
      perform from flywheel.streams as s
      where s.available_at <= statement_timestamp()
      limit 1
      for no key update skip locked;
      if not found then
        perform from flywheel.replays as r
        where r.finished_at is null and r.stopped_at is null
        limit 1
        for no key update skip locked;
      end if;
      is_left := found;
      -- Lets go of the lock at once: this was only a look, and other workers look as well.
      raise exception using errcode = 'PF000';
    exception
      when sqlstate 'PF000' then
        null;
      -- As in flywheel.lease(), the look may have to wait. A ring too many does no harm.
      when lock_not_available then
        is_left := true;
    end;
  end if;

  -- Regardless of the interval: a worker that was rung just now may have found no slot free.
  return is_left and flywheel.ring(regardless => true);
end
$$;

comment on function flywheel.leave(uuid, bigint, boolean) is
  'Gives a worker''s slot back, adds what it handled to the total, and rings the doorbell if there is work left that nobody else holds. hands_on: it leaves before it has found nothing more for settings.linger, and rings for another who does: some rings were left to it. Returns whether it rang.';

-- flywheel/backlog.sql
create view flywheel.backlog
with (security_invoker = true)
as
select s.*
from flywheel.streams as s
where s.version > s.processed_version
  and s.available_at <= (
    -- Not statement_timestamp(): a lease or a wait may have begun since.
    select clock_timestamp() + greatest(o.lease_time, o.backoff_max) from flywheel.settings as o
  );

comment on view flywheel.backlog is
  'Streams with events that are not folded. Each is due within a lease time or the longest wait from now, to which flywheel.bound_waits() holds them; the many that are due later wait for a timer alone, and need not be read.';

-- flywheel/pending_events.sql
create function flywheel.pending_events()
returns bigint
language plpgsql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
begin
  return (select coalesce(sum(b.version - b.processed_version), 0) from flywheel.backlog as b);
end
$$;

comment on function flywheel.pending_events() is
  'How many events wait to be folded. Asked at each ring, so without what else flywheel.queue_status() counts: dead letters may be many.';

-- flywheel/bound_waits.sql
create function flywheel.bound_waits(farthest interval)
returns void
language plpgsql
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
  bounded_at timestamptz;
  longest timestamptz;
begin
  -- Waits for every lease, and for whatever else has streams wait, and holds up those that follow: what the former wrote is shortened
  -- below. Before any stream is locked: who is waited for may wait for a stream.
  perform pg_advisory_xact_lock(hashtextextended('flywheel.settings_changes', 0));
  perform pg_advisory_xact_lock(hashtextextended('flywheel.waits', 0));
  bounded_at := clock_timestamp();
  select bounded_at + greatest(o.lease_time, o.backoff_max) into longest from flywheel.settings as o;

  update flywheel.streams as s
  set
    -- What waits for nothing but a worker waits no longer.
    available_at = case when s.attempts = 0 and s.lease_token is null then bounded_at else longest end,
    -- To be counted, as in flywheel.refold(): a publication that turns out to be a duplicate sets available_at back to wake_at.
    wake_at = case when s.attempts = 0 and s.version = s.processed_version then bounded_at else s.wake_at end
  where s.user_id = any (
    array(
      -- Locked in the order in which publications lock, so that the two cannot deadlock.
      select l.user_id
      from flywheel.streams as l
      where l.available_at > bounded_at
        and l.available_at <= bounded_at + bound_waits.farthest
        and case
          when l.attempts = 0 and l.lease_token is null and l.version > l.processed_version then true
          -- Without a backlog, too, where it is not a timer that is waited for: what is published meanwhile waits as long.
          else l.available_at > longest
            and (l.version > l.processed_version or l.attempts > 0 or l.counted_version < l.processed_version)
        end
      order by l.user_id
      for no key update
    )
  );
end
$$;

comment on function flywheel.bound_waits(interval) is
  'Keeps every backlog, and what is published during a lease or a wait, from waiting longer than a lease or a wait may last by the settings: flywheel.backlog looks no further. Who waits for no lease and no next attempt is due at once; timers stay as they are. farthest: how far ahead such waits are looked for.';

-- flywheel/shorten_waits.sql
create function flywheel.shorten_waits()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- By the settings as they are committed: the transaction may have changed them several times.
  perform flywheel.bound_waits(greatest(old.lease_time, old.backoff_max));
  return null;
end
$$;

comment on function flywheel.shorten_waits() is
  'Has what waits already wait no longer than lower settings allow. A lease that this shortens still lasts at least as long as one that begins now. Runs as the change is committed: until then everybody waits by the settings before, and nobody is held up.';

create constraint trigger shorten_waits
after update of lease_time, backoff_max on flywheel.settings
deferrable initially deferred
for each row
when (greatest(new.lease_time, new.backoff_max) < greatest(old.lease_time, old.backoff_max))
execute function flywheel.shorten_waits();

comment on trigger shorten_waits on flywheel.settings is
  'Lower settings count for what waits already, too.';

-- flywheel/queue_status.sql
create function flywheel.queue_status()
returns json
language plpgsql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
begin
  return (
    with backlog as (
      select
        coalesce(sum(s.version - s.processed_version), 0) as pending_events,
        count(*) as pending_users,
        count(*) filter (where s.lease_token is not null and s.available_at > clock_timestamp()) as leased_users,
        -- What counts as received later than now is from before the clock was set back.
        coalesce(extract(epoch from clock_timestamp() - min(least(s.pending_since, clock_timestamp()))), 0)
          as oldest_pending_seconds
      from flywheel.backlog as s
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
      'failed_deliveries', (
        select count(*) from flywheel.deliveries as d where d.failed_at is not null
      ),
      'processed_total', (
        select coalesce(sum(w.processed_total), 0) from flywheel.worker_slots as w
      )
    )
    from backlog as b
  );
end
$$;

comment on function flywheel.queue_status() is
  'How the flywheel stands: { status: idle | processing | backlogged, pending_events, pending_users, leased_users, oldest_pending_seconds, dead_letters, failed_deliveries, processed_total }.';

-- flywheel/replayed_streams.sql
create function flywheel.replayed_streams(replay flywheel.replays, max_users integer)
returns table (user_id uuid, version bigint)
language sql
stable
set search_path = ''
as $$
  select s.user_id, s.version
  from flywheel.streams as s
  -- Bounds, so that one user's replay does not look at everybody, nor the next piece at those before.
  where s.user_id between
      coalesce((replay).user_id, (replay).last_user, '00000000-0000-0000-0000-000000000000')
      and coalesce((replay).user_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and s.user_id is distinct from (replay).last_user
    and s.version > 0
    and (
      (replay).since is null
      -- received_at grows with the version: the last event tells. Looked up one by one: without the offset a plan may read the log.
      or exists (
        select from public.phoenix_events as e
        where e.user_id = s.user_id and e.version = s.version and e.received_at >= (replay).since
        offset 0
      )
    )
    and (
      not (replay).only_failed
      or exists (
        select from public.phoenix_events as e
        where e.user_id = s.user_id
          and e.ai_processing_error is not null
          and ((replay).since is null or e.received_at >= (replay).since)
        offset 0
      )
    )
  order by s.user_id
  limit max_users
$$;

comment on function flywheel.replayed_streams(flywheel.replays, integer) is
  'The next streams that a replay is about, or all of them without a number: the one place that knows what was asked for.';

-- flywheel/rewind.sql
create function flywheel.rewind(which uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  settings flywheel.settings;
  replay flywheel.replays;
  chosen uuid[];
  locked uuid[];
  rewound bigint;
  rewound_events bigint;
begin
  select s.* into settings from flywheel.settings as s;

  -- One worker at a time; the others have something better to do.
  select r.* into replay
  from flywheel.replays as r
  where r.finished_at is null
    and r.stopped_at is null
    and (which is null or r.replay_id = which)
  order by r.asked_at
  limit 1
  for no key update skip locked;
  if not found then
    return 0;
  end if;

  chosen := array(select c.user_id from flywheel.replayed_streams(replay, settings.replay_users) as c);

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  -- A user who is being erased is gone by then.
  locked := array(
    select s.user_id from flywheel.streams as s where s.user_id = any (chosen) order by s.user_id for no key update
  );

  delete from flywheel.states as st where st.user_id = any (locked);

  with changed as (
    -- Without its token a lease that is out cannot commit any more.
    update flywheel.streams as s
    set
      processed_version = 0,
      lease_token = null,
      attempts = 0,
      wake_at = null,
      pending_since = clock_timestamp(),
      available_at = clock_timestamp()
    where s.user_id = any (locked)
    returning s.version
  )
  select count(*), coalesce(sum(c.version), 0) into rewound, rewound_events from changed as c;

  update flywheel.replays as r
  set
    users = r.users + rewound,
    events = r.events + rewound_events,
    last_user = case
      when cardinality(chosen) = settings.replay_users then coalesce(locked[cardinality(locked)], r.last_user)
    end,
    finished_at = case when cardinality(chosen) < settings.replay_users then clock_timestamp() end
  where r.replay_id = replay.replay_id;

  return rewound;
end
$$;

comment on function flywheel.rewind(uuid) is
  'Sets the next settings.replay_users users of a replay, or of the oldest one under way, back to before their first event. Returns how many.';

-- flywheel/reprocess.sql
create function flywheel.reprocess(
  only_user uuid default null,
  since timestamptz default null,
  only_failed boolean default false
)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  replay flywheel.replays;
begin
  if only_user is not null then
    -- The stream first, as everywhere. A user who was erased has none, and nothing is noted of them.
    perform from flywheel.streams as s where s.user_id = only_user for no key update;
    if not found then
      return json_build_object('users', 0, 'events', 0);
    end if;
  end if;

  insert into flywheel.replays as r (user_id, since, only_failed)
  values (only_user, reprocess.since, reprocess.only_failed)
  returning r.* into replay;

  update flywheel.replays as r
  set users_total = all_of_them.users, events_total = all_of_them.events
  from (
    select count(*) as users, coalesce(sum(c.version), 0) as events
    from flywheel.replayed_streams(replay, null) as c
  ) as all_of_them
  where r.replay_id = replay.replay_id
  returning r.* into replay;

  perform flywheel.rewind(replay.replay_id);

  return json_build_object('users', replay.users_total, 'events', replay.events_total);
end
$$;

comment on function flywheel.reprocess(uuid, timestamptz, boolean) is
  'Asks for a replay: of one user, of those with events received since a time, of those with dead letters, or of all. A fold has no middle to start from, so each is folded anew from the first event; effects are not written twice. The first settings.replay_users users are set back at once, the others by the workers, piece by piece. Returns { users, events }: what is to be folded anew.';

-- flywheel/replay_progress.sql
create function flywheel.replay_progress()
returns json
language sql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  with set_back as (
    select count(*) as users, coalesce(sum(s.folded_version - s.processed_version), 0) as events
    from flywheel.backlog as s
    where s.processed_version < s.folded_version
  )
  select json_build_object(
    'pending_users', b.users,
    'pending_events', b.events,
    'replays', (
      select coalesce(json_agg(r.progress order by r.asked_at desc), '[]')
      from (
        select
          l.asked_at,
          json_build_object(
            'replay_id', l.replay_id,
            'status', case
              when l.stopped_at is not null then 'stopped'
              when l.finished_at is not null then 'finished'
              else 'running'
            end,
            'user_id', l.user_id,
            'since', l.since,
            'only_failed', l.only_failed,
            'asked_at', l.asked_at,
            'users_total', l.users_total,
            'events_total', l.events_total,
            'users', l.users,
            'events', l.events,
            'finished_at', l.finished_at,
            'stopped_at', l.stopped_at
          ) as progress
        from flywheel.replays as l
        order by l.asked_at desc
        limit 10
      ) as r
    )
  )
  from set_back as b
$$;

comment on function flywheel.replay_progress() is
  'How the last ten replays stand, newest first: { pending_users, pending_events, replays: [ { replay_id, status: running | finished | stopped, users of users_total set back, … } ] }. pending: who was set back and is not folded up to date yet.';

-- flywheel/stop_replays.sql
create function flywheel.stop_replays()
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  stopped integer;
begin
  update flywheel.replays as r
  set stopped_at = clock_timestamp(), last_user = null
  where r.finished_at is null and r.stopped_at is null;
  get diagnostics stopped = row_count;
  return stopped;
end
$$;

comment on function flywheel.stop_replays() is
  'Stops every replay under way: nobody more is set back; who has been is folded to the end. Returns how many it stopped.';

-- flywheel/pruning.sql
create table flywheel.pruning (
  only_row boolean primary key default true check (only_row),
  pruned_at timestamptz not null default '-infinity'
);

insert into flywheel.pruning default values;

alter table flywheel.pruning enable row level security;

comment on table flywheel.pruning is 'When the last old fingerprint was pruned, so that pruning then rests for a while.';
comment on column flywheel.pruning.only_row is 'Keeps the table to one row.';
comment on column flywheel.pruning.pruned_at is 'When nothing was left to prune. Later than now only where the clock was set back since: flywheel.mend_waits() looks.';

-- flywheel/prune.sql
create function flywheel.prune()
returns integer
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  settings flywheel.settings;
  pruned integer;
begin
  select s.* into settings from flywheel.settings as s;

  -- Whoever finds the row locked leaves the pruning to its holder.
  perform from flywheel.pruning as p
  where p.pruned_at <= statement_timestamp() - settings.prune_interval
  for no key update skip locked;
  if not found then
    return 0;
  end if;

  begin
    delete from flywheel.fingerprints as f
    using (
      select o.user_id, o.fingerprint
      from flywheel.fingerprints as o
      where o.seen_at <= statement_timestamp() - settings.dedup_window
      order by o.seen_at
      limit settings.prune_rows
      for update skip locked
    ) as old
    where f.user_id = old.user_id and f.fingerprint = old.fingerprint;
    get diagnostics pruned = row_count;
  exception
    -- As in flywheel.lease(): there is a later time for pruning.
    when lock_not_available then
      return 0;
  end;

  -- A full batch may have left more.
  if pruned < settings.prune_rows then
    update flywheel.pruning set pruned_at = clock_timestamp();
  end if;
  return pruned;
end
$$;

comment on function flywheel.prune() is
  'Deletes fingerprints older than the dedup window that no longer count, settings.prune_rows at most; once none is left, it rests for settings.prune_interval. Returns how many it deleted.';

-- flywheel/mend_waits.sql
create function flywheel.mend_waits()
returns boolean
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  settings flywheel.settings;
  latest timestamptz;
  ahead interval;
  longest interval;
  mended_at timestamptz;
begin
  -- Whoever publishes rings, and whoever works prunes: one of both notes how far the clock was ahead, and neither takes it back.
  select greatest(d.latest_at, p.pruned_at) into latest from flywheel.doorbell as d, flywheel.pruning as p;
  if latest <= clock_timestamp() then
    return false;
  end if;

  -- A ring holds the bell until its transaction ends, which may wait for a stream: so nobody waits for the bell here, and a ring meanwhile
  -- is left to the caller, who looks for work afterwards.
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.ring', 0)) then
    return false;
  end if;
  select s.* into settings from flywheel.settings as s;
  -- As long as a delivery is ever to wait: flywheel.lease_deliveries(), mark_published() and tell_again_at() say how long.
  longest := greatest(settings.lease_time, settings.delivery_patience, interval '10 minutes');

  begin
    -- The clock may have gone on a while after it was noted last, and what was leased then may have been committed later still.
    ahead := latest - clock_timestamp() + settings.ring_interval + settings.prune_interval + settings.lease_time;
    -- Beyond what a lease or a wait adds to that there are timers alone, however many.
    perform flywheel.bound_waits(ahead + greatest(settings.lease_time, settings.backoff_max));
    mended_at := clock_timestamp();

    -- What is locked is just being written, by the clock as it is now.
    with decided as (
      select d.user_id, d.delivery_id
      from flywheel.deliveries as d
      where d.attempts = 0 and d.available_at > mended_at and d.available_at <= mended_at + ahead
      for no key update skip locked
    ),
    taken as (
      select d.user_id, d.delivery_id
      from flywheel.deliveries as d
      where d.attempts > 0 and d.available_at > mended_at + longest
      for no key update skip locked
    )
    update flywheel.deliveries as d
    set available_at = w.due_at
    from (
      select c.user_id, c.delivery_id, mended_at as due_at from decided as c
      union all
      select t.user_id, t.delivery_id, mended_at + longest from taken as t
    ) as w
    where d.user_id = w.user_id and d.delivery_id = w.delivery_id;

    -- As long as flywheel.lease_withdrawals() and mark_withdrawn() have one wait.
    with waiting as (
      select w.delivery_id
      from flywheel.withdrawals as w
      where w.available_at > mended_at + greatest(settings.lease_time, interval '5 minutes')
      for no key update skip locked
    )
    update flywheel.withdrawals as l
    set available_at = mended_at + greatest(settings.lease_time, interval '5 minutes')
    from waiting as w
    where l.delivery_id = w.delivery_id;

    update flywheel.doorbell set latest_at = mended_at;
    update flywheel.pruning set pruned_at = '-infinity' where pruned_at > mended_at;
  exception
    -- Somebody holds a stream for long: it is tried again before long.
    when lock_not_available then
      return false;
  end;
  return true;
end
$$;

comment on function flywheel.mend_waits() is
  'Where the database''s clock was ahead and has been set back: finds again what waits for a time that the wrong clock wrote and that is further away than anything may wait: backlogs, late events that are to be counted, deliveries, withdrawals, pruning. Otherwise, as nearly always, it is one look at two rows. Returns whether it did; then something may be due.';

-- flywheel/tend.sql
create function flywheel.tend()
returns boolean
language plpgsql
security definer
set search_path = ''
set lock_timeout = '200ms'
as $$
begin
  return case
    -- First, since it locks streams: nothing else is locked yet.
    when flywheel.mend_waits() then true
    when flywheel.merge_rollups() > 0 then true
    when flywheel.rewind() > 0 then true
    else flywheel.prune() > 0
  end;
exception
  -- Somebody holds a stream of the replay for long: nobody could merge meanwhile.
  when lock_not_available then
    return false;
end
$$;

comment on function flywheel.tend() is
  'What a worker does when nothing is due: what a clock that was set back has left, or one bounded piece of merging rollups, of a replay or of pruning. Returns whether there may be more to do at once.';

-- flywheel/read_state.sql
create function flywheel.read_state(owner uuid)
returns json
language plpgsql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return (
    select json_build_object(
      'shape', st.shape,
      'state', coalesce(st.state, '{}'),
      'version', s.processed_version,
      'head', s.version,
      -- What was folded before is being folded again.
      'is_behind', s.processed_version < s.folded_version,
      'settings_changed_at', flywheel.settings_changed_at()
    )
    from flywheel.streams as s
    left join flywheel.states as st
      on st.user_id = s.user_id
    where s.user_id = owner
  );
end
$$;

comment on function flywheel.read_state(uuid) is
  'What the reactors remember of a user: { shape, state, version: how far that is folded, head: of how many events, is_behind: whether it was folded further before, settings_changed_at: flywheel.settings_changed_at() }, with a null shape and an empty state before the first fold; null for a user who has no stream.';

-- flywheel/refold.sql
create function flywheel.refold(owner uuid)
returns void
language sql
security definer
set search_path = ''
as $$
  -- Only where nobody is at it and nothing is waited for but a timer: a lease or a backlog brings the worker anyway.
  update flywheel.streams as s
  -- As a timer that has come due: a publication that turns out to be a duplicate sets available_at back to wake_at.
  set available_at = n.moment, wake_at = n.moment
  from (select clock_timestamp() as moment) as n
  where s.user_id = owner
    and s.lease_token is null
    and s.attempts = 0
    and s.available_at is not distinct from s.wake_at;

  select flywheel.ring()
$$;

comment on function flywheel.refold(uuid) is
  'Has a worker look at a user soon, who folds anew what was folded by other reactors.';

-- flywheel/global_context.sql
create function flywheel.global_context()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  metrics jsonb := public.get_aube_metrics(30);
begin
  return jsonb_build_object(
    'utilisateurs_actifs', metrics -> 'parcours_commencés',
    'taux_succès', metrics -> 'taux_completion',
    -- What fewer have chosen could be one user's own words.
    'métiers_populaires', flywheel.popular_jobs(flywheel.period_start(30), 5)
  );
end
$$;

comment on function flywheel.global_context() is
  'What a user''s dashboard says of everybody, over the last 30 days, by public.get_aube_metrics(): { utilisateurs_actifs, taux_succès (percent), métiers_populaires: those of five users or more }.';

-- analytics/two_proportion_p_value.sql
create function flywheel.two_proportion_p_value(
  successes bigint,
  trials bigint,
  control_successes bigint,
  control_trials bigint
)
returns double precision
language sql
immutable
parallel safe
set search_path = ''
as $$
  -- Two-sided: 2 (1 - Φ(|z|)) = erfc(|z| / √2).
  select erfc(abs(t.difference) / nullif(sqrt(t.variance), 0) / sqrt(2))
  from (
    select
      p.rate - p.control_rate as difference,
      p.pooled * (1 - p.pooled) * (1.0 / nullif(trials, 0) + 1.0 / nullif(control_trials, 0)) as variance
    from (
      select
        successes::double precision / nullif(trials, 0) as rate,
        control_successes::double precision / nullif(control_trials, 0) as control_rate,
        (successes + control_successes)::double precision / nullif(trials + control_trials, 0) as pooled
    ) as p
  ) as t
$$;

comment on function flywheel.two_proportion_p_value(bigint, bigint, bigint, bigint) is
  'How likely two samples differ at least this much though both have one proportion: the two-sided two-proportion z-test with the pooled proportion, z = (p1 - p2) / sqrt(p (1 - p) (1/n1 + 1/n2)). Source: Penn State, STAT 415, lesson 9.4, online.stat.psu.edu/stat415/lesson/9/9.4. Null where a sample is empty or nothing varies. It rests on the normal approximation: read nothing into it below five successes and five failures a sample.';

-- analytics/period_start.sql
create function flywheel.period_start(days_back integer)
returns date
language plpgsql
stable
set search_path = ''
as $$
begin
  if days_back is null or days_back not between 1 and 366 then
    raise exception using
      errcode = 'PT400', message = 'days_back must be from 1 to 366.', detail = 'invalid_days';
  end if;
  return (now() at time zone 'UTC')::date - days_back + 1;
end
$$;

comment on function flywheel.period_start(integer) is
  'The first of so many UTC days, the last of which is today. Periods have no end: what is stamped a little ahead of the clock counts. Raises PT400 invalid_days beyond 1 to 366.';

-- analytics/first_week.sql
create function flywheel.first_week(weeks_back integer)
returns date
language plpgsql
stable
set search_path = ''
as $$
begin
  if weeks_back is null or weeks_back not between 1 and 53 then
    raise exception using
      errcode = 'PT400', message = 'weeks_back must be from 1 to 53.', detail = 'invalid_weeks';
  end if;
  return date_trunc('week', now() at time zone 'UTC')::date - 7 * (weeks_back - 1);
end
$$;

comment on function flywheel.first_week(integer) is
  'The Monday of the first of so many weeks, the last of which is this one, in UTC. Raises PT400 invalid_weeks beyond 1 to 53.';

-- analytics/nudge_experiments.sql
create function flywheel.nudge_experiments(since timestamptz)
returns table (
  nudge_type text,
  variant text,
  sent bigint,
  shown bigint,
  clicked bigint,
  converted bigint,
  conversion_rate double precision,
  uplift_vs_holdout double precision,
  p_value double precision
)
language sql
stable
set search_path = ''
-- Names are bound when it is made, so that callers without usage of schema flywheel can run it all the same.
begin atomic
  with arm as (
    select
      n.nudge_type,
      n.variant,
      count(*) as sent,
      count(n.shown_at) as shown,
      count(n.clicked_at) as clicked,
      count(n.converted_at) as converted
    from public.phoenix_nudges_sent as n
    where n.sent_at >= since
    group by n.nudge_type, n.variant
  )
  select
    a.nudge_type,
    a.variant,
    a.sent,
    a.shown,
    a.clicked,
    a.converted,
    a.converted::double precision / a.sent,
    a.converted::double precision / a.sent - h.converted::double precision / h.sent,
    flywheel.two_proportion_p_value(a.converted, a.sent, h.converted, h.sent)
  from arm as a
  left join arm as h
    on h.nudge_type = a.nudge_type and h.variant = 'holdout' and a.variant <> 'holdout'
  order by a.nudge_type, a.variant;
end;

comment on function flywheel.nudge_experiments(timestamptz) is
  'What each wording of each nudge brings, of the nudges sent since a time: public.phoenix_nudge_experiments says what its columns mean. A caller sees the rows that their own rights allow.';

-- analytics/phoenix_nudge_experiments.sql
create view public.phoenix_nudge_experiments
with (security_invoker = true)
as
select
  e.nudge_type,
  e.variant,
  e.sent,
  e.shown,
  e.clicked,
  e.converted,
  e.conversion_rate,
  e.uplift_vs_holdout,
  e.p_value
from flywheel.nudge_experiments('-infinity') as e;

comment on view public.phoenix_nudge_experiments is
  'What each wording of each nudge brings, beside the holdout, whose users are not nudged. docs/nudges.md says how to read it.';
comment on column public.phoenix_nudge_experiments.nudge_type is 'The experiment.';
comment on column public.phoenix_nudge_experiments.variant is 'The wording, or holdout.';
comment on column public.phoenix_nudge_experiments.sent is 'Nudges decided on; in the holdout they were recorded and not shown.';
comment on column public.phoenix_nudge_experiments.shown is 'Of these, how many a user has seen.';
comment on column public.phoenix_nudge_experiments.clicked is 'Of these, how many a user has followed.';
comment on column public.phoenix_nudge_experiments.converted is
  'Of these, how many led to what they were for: a click and the target action within 7 days; in the holdout the target action within 7 days of the decision.';
comment on column public.phoenix_nudge_experiments.conversion_rate is 'converted / sent, from 0 to 1.';
comment on column public.phoenix_nudge_experiments.uplift_vs_holdout is
  'The conversion rate less the holdout''s, from -1 to 1. It understates: who acts without a click counts in the holdout alone.';
comment on column public.phoenix_nudge_experiments.p_value is
  'How likely a difference of that size is where the nudge changes nothing: flywheel.two_proportion_p_value().';

-- analytics/get_phoenix_nudge_experiments.sql
create function public.get_phoenix_nudge_experiments(days_back integer default 30)
returns table (
  nudge_type text,
  variant text,
  sent bigint,
  shown bigint,
  clicked bigint,
  converted bigint,
  conversion_rate double precision,
  uplift_vs_holdout double precision,
  p_value double precision
)
language sql
stable
security definer
set search_path = ''
as $$
  select e.*
  from flywheel.nudge_experiments(flywheel.period_start(days_back)::timestamp at time zone 'UTC') as e
$$;

comment on function public.get_phoenix_nudge_experiments(integer) is
  'public.phoenix_nudge_experiments of the nudges that were sent in the last days_back UTC days (1 to 366), today included.';

-- analytics/step_percentiles.sql
create function flywheel.step_percentiles(since date)
returns table (week date, event_type text, share double precision, seconds double precision)
language plpgsql
stable
set search_path = ''
as $$
#variable_conflict use_column
begin
  return query
  with pending as materialized (
    select
      p.day,
      p.key,
      p.span,
      array_agg(p.second) as seconds,
      array_agg(p.times) as times,
      sum(p.times) as count
    from flywheel.pending_durations as p
    where p.figure = 'step' and p.day >= since
    group by p.day, p.key, p.span
  ),
  span as materialized (
    select d.day, d.key, d.span, sum(d.count)::integer as count
    from (
      select s.day, s.key, s.span, s.count from flywheel.durations as s where s.figure = 'step' and s.day >= since
      union all
      select p.day, p.key, p.span, p.count from pending as p
    ) as d
    group by d.day, d.key, d.span
    having sum(d.count) > 0
  ),
  running as (
    select
      s.*,
      sum(s.count) over (partition by s.week, s.key order by s.span) as upto,
      sum(s.count) over (partition by s.week, s.key) as all_count
    from (
      select s.day as week, array[s.day] as days, s.key, s.span, s.count from span as s
      union all
      select null, array_agg(s.day), s.key, s.span, sum(s.count)::integer from span as s group by s.key, s.span
    ) as s
  ),
  -- Of all the users of a step, numbered from 0, a percentile lies between two; here are the spans in which those are.
  placed as materialized (
    select r.week, r.days, r.key, r.span, r.upto - r.count as before, p.share, p.place
    from running as r
    cross join lateral (
      select s.share, s.share * (r.all_count - 1) as place
      from (values (0.5::double precision), (0.9)) as s (share)
    ) as p
    where r.upto - r.count <= ceil(p.place) and floor(p.place) < r.upto
  )
  select b.week, b.key, b.share, b.low + (b.high - b.low) * (b.place - floor(b.place))
  from (
    select p.week, p.key, p.share, p.place, min(f.low) as low, min(f.high) as high
    from placed as p
    cross join lateral (
      select
        min(l.second) filter (where l.upto > floor(p.place)) as low,
        min(l.second) filter (where l.upto > ceil(p.place)) as high
      from (
        select u.second, p.before + sum(sum(u.times)::integer) over (order by u.second) as upto
        from (
          select d.seconds, d.times
          from flywheel.durations as d
          where d.figure = 'step' and d.day = any (p.days) and d.app_source = '' and d.key = p.key and d.span = p.span
          union all
          select q.seconds, q.times from pending as q where q.day = any (p.days) and q.key = p.key and q.span = p.span
        ) as d
        cross join lateral unnest(d.seconds, d.times) as u (second, times)
        group by u.second
      ) as l
    ) as f
    group by p.week, p.key, p.share, p.place
  ) as b;
end
$$;

comment on function flywheel.step_percentiles(date) is
  'The median (share 0.5) and the 90th percentile of the seconds that users took to each of Aube''s steps, by their week from a week on, and for all those weeks together (week null): as percentile_cont gives them. Reads how many durations each span has, and the durations of those spans alone in which these two lie.';

-- analytics/get_phoenix_ecosystem_stats.sql
create function public.get_phoenix_ecosystem_stats(days_back integer default 30)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  since date := flywheel.period_start(days_back);
begin
  return (
    with recent as materialized (
      select r.figure, r.app_source, r.key, sum(r.count)::bigint as count
      from flywheel.current_rollups as r
      where r.figure in ('event', 'last_event') and r.day >= since
      group by r.figure, r.app_source, r.key
    ),
    app as (
      select
        r.app_source,
        coalesce(sum(r.count) filter (where r.figure = 'event'), 0)::bigint as events,
        coalesce(sum(r.count) filter (where r.figure = 'last_event'), 0)::bigint as users
      from recent as r
      where r.app_source <> ''
      group by r.app_source
      having sum(r.count) filter (where r.figure = 'event') > 0
    ),
    top as (
      select r.key as event_type, sum(r.count)::bigint as events
      from recent as r
      where r.figure = 'event'
      group by r.key
      having sum(r.count) > 0
      order by sum(r.count) desc, r.key
      limit 10
    ),
    whole as (
      select
        coalesce(sum(r.count) filter (where r.figure = 'event'), 0)::bigint as events,
        coalesce(sum(r.count) filter (where r.figure = 'last_event' and r.app_source = ''), 0)::bigint as users
      from recent as r
    )
    select jsonb_build_object(
      'period_days', days_back,
      'total_events', w.events,
      'unique_users', w.users,
      'avg_events_per_user', coalesce(round(w.events::numeric / nullif(w.users, 0), 2), 0),
      'app_breakdown', (
        select coalesce(jsonb_object_agg(a.app_source, jsonb_build_object('events', a.events, 'users', a.users)), '{}')
        from app as a
      ),
      'top_events', (select coalesce(jsonb_object_agg(t.event_type, t.events), '{}') from top as t),
      'generated_at', now()
    )
    from whole as w
  );
end
$$;

comment on function public.get_phoenix_ecosystem_stats(integer) is
  'The ecosystem in the last days_back UTC days (1 to 366), today included: period_days; total_events, every event of the log; unique_users with any; avg_events_per_user, to a hundredth; app_breakdown { app: { events, users } }, the flywheel''s own events as app flywheel; top_events { type: count }, the ten commonest; generated_at. Counts what the flywheel has handled; late events on the day they happened.';

-- analytics/in_one_line.sql
create function flywheel.in_one_line(said text)
returns text
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
  return btrim(
    regexp_replace(
      -- What turns the direction in which a text is read.
      regexp_replace(said, '[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]' collate "C", '', 'g'),
      -- JavaScript's white space, and control characters.
      '[\u0001-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+' collate "C",
      ' ',
      'g'
    )
  );
end
$$;

comment on function flywheel.in_one_line(text) is
  'A text that can stand within a message, as inOneLine() in shared/domain/reactors/profile.ts writes it.';

-- analytics/job_key.sql
create function flywheel.job_key(said text)
returns text
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
  -- The collation lowers as JavaScript does: a sigma that ends a word, too.
  return left(lower(flywheel.in_one_line(said) collate pg_catalog."und-x-icu"), 80);
end
$$;

comment on function flywheel.job_key(text) is
  'What a job is recognised by, however it is written, as jobKey() in shared/domain/reactors/profile.ts has it.';

-- analytics/popular_jobs.sql
create function flywheel.popular_jobs(since date, least_users integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(j.name order by j.users desc, j.name), '[]')
  from (
    select (array_agg(k.name order by k.users desc, k.name))[1] as name, sum(k.users) as users
    from (
      select flywheel.in_one_line(w.key) as name, sum(w.users) as users
      from (
        select r.key, sum(r.count) as users
        from flywheel.current_rollups as r
        where r.figure = 'job' and r.day >= since
        group by r.key
      ) as w
      group by 1
      having sum(w.users) > 0
    ) as k
    where k.name <> ''
    -- However it is written: the name is as most write it.
    group by flywheel.job_key(k.name)
    having sum(k.users) >= least_users
    order by 2 desc, 1
    limit 5
  ) as j
$$;

comment on function flywheel.popular_jobs(date, integer) is
  'The five jobs that most users have chosen since a UTC day, each counted with the one chosen last, most first, then by name; of those that so many users have at least. However a job is written, as flywheel.job_key() says; its name in one line.';

-- analytics/get_aube_metrics.sql
create function public.get_aube_metrics(days_back integer default 30)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  since date := flywheel.period_start(days_back);
begin
  return (
    with recent as materialized (
      select r.figure, r.key, sum(r.count)::bigint as count, sum(r.total) as total
      from flywheel.current_rollups as r
      where r.figure in ('exploring', 'exploration_completed', 'exploration_time', 'transition', 'satisfaction')
        and r.day >= since
        and (r.figure <> 'satisfaction' or r.app_source = 'aube')
      group by r.figure, r.key
    ),
    whole as (
      select
        coalesce(sum(r.count) filter (where r.figure = 'exploring'), 0)::bigint as begun,
        coalesce(sum(r.count) filter (where r.figure = 'exploration_completed'), 0)::bigint as completed,
        coalesce(sum(r.count) filter (where r.figure = 'transition'), 0)::bigint as transitions,
        sum(r.total) filter (where r.figure = 'exploration_time')
          / nullif(sum(r.count) filter (where r.figure = 'exploration_time'), 0) / 60000000 as minutes,
        sum(r.total) filter (where r.figure = 'satisfaction')
          / nullif(sum(r.count) filter (where r.figure = 'satisfaction'), 0) / 100 as satisfaction
      from recent as r
    )
    select jsonb_build_object(
      'parcours_commencés', w.begun,
      'parcours_complétés', w.completed,
      'taux_completion', coalesce(round(100.0 * w.completed / nullif(w.begun, 0), 1), 0),
      'transitions_écosystème', w.transitions,
      'temps_moyen_parcours', round(w.minutes, 1),
      'satisfaction_moyenne', round(w.satisfaction, 1),
      'métiers_populaires', flywheel.popular_jobs(since, 1)
    )
    from whole as w
  );
end
$$;

comment on function public.get_aube_metrics(integer) is
  'obtenir_métriques_utilisation of Aube over the last days_back UTC days (1 to 366), today included. parcours_commencés: users with an exploration_commencée in them. parcours_complétés: of these, users with a métier_choisi in them. taux_completion: percent of the first, to a tenth, 0 without any. transitions_écosystème: transitions taken in them. temps_moyen_parcours: minutes from a user''s last exploration_commencée, if in them, to their last métier_choisi, if that comes after it; mean, to a tenth. satisfaction_moyenne: mean of satisfaction in feedback.submitted of app aube, to a tenth. Both null without any. métiers_populaires: flywheel.popular_jobs().';

-- analytics/get_phoenix_kpis.sql
create function public.get_phoenix_kpis(days_back integer default 30)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  since date := flywheel.period_start(days_back);
  today date := flywheel.period_start(1);
begin
  return (
    with recent as materialized (
      select r.figure, r.key, sum(r.count)::numeric as count, sum(r.total) as total
      from flywheel.current_rollups as r
      where (
          r.figure in ('transition_asked', 'transition_taken', 'transition_time', 'products', 'revenue')
          and r.day >= since
        )
        or (r.figure = 'transition_return' and r.day between since - 30 and today - 30)
      group by r.figure, r.key
    ),
    whole as (
      select
        sum(r.count) filter (where r.figure = 'transition_asked') as asked,
        sum(r.count) filter (where r.figure = 'transition_taken') as taken,
        sum(r.total) filter (where r.figure = 'transition_time') as micros,
        sum(r.count) filter (where r.figure = 'transition_time') as timed,
        sum(r.count) filter (where r.figure = 'transition_return' and r.key = 'taken') as before,
        sum(r.count) filter (where r.figure = 'transition_return' and r.key = 'returned') as returned,
        sum(r.count) filter (where r.figure = 'products' and r.key = '1') as users,
        sum(r.count) filter (where r.figure = 'products' and r.key = '2') as users_of_several,
        sum(r.total) filter (where r.figure = 'revenue' and r.key = '1') as cents,
        sum(r.total) filter (where r.figure = 'revenue' and r.key = '2') as cents_of_several
      from recent as r
    ),
    revenue as (
      select
        coalesce(w.cents_of_several, 0) as cents_of_several,
        w.users_of_several,
        w.cents - coalesce(w.cents_of_several, 0) as cents_of_one,
        w.users - coalesce(w.users_of_several, 0) as users_of_one
      from whole as w
    )
    select jsonb_build_object(
      'transition_rate', round(coalesce(w.taken, 0) / nullif(w.asked, 0), 4),
      'avg_transition_minutes', round(w.micros / nullif(w.timed, 0) / 60000000, 2),
      'cross_app_retention_30d', round(coalesce(w.returned, 0) / nullif(w.before, 0), 4),
      -- One division: a quotient of two means would be rounded three times.
      'cross_sell_revenue_uplift', round(
        y.cents_of_several * y.users_of_one / nullif(y.cents_of_one * y.users_of_several, 0) - 1,
        4
      )
    )
    from whole as w, revenue as y
  );
end
$$;

comment on function public.get_phoenix_kpis(integer) is
  'Key figures over the last days_back UTC days (1 to 366), today included; each null where there is nothing to divide by. transition_rate: of the users for whom a transition was requested in them, the share for whom one of those was accepted, 0 to 1. avg_transition_minutes: from request to acceptance, mean of the transitions requested in them and accepted. cross_app_retention_30d: of the transitions accepted in as many days that ended 30 days ago, the share whose user was in the target app 30 days after or later, 0 to 1. cross_sell_revenue_uplift: amount_eur of subscription.activated a user of several products (aube, cv, letters, rise) in them, over that a user of just one, less 1: 0.34 is a third more.';

-- analytics/get_aube_funnel.sql
create function public.get_aube_funnel(weeks_back integer default 13)
returns table (
  cohort_week date,
  step integer,
  event_type text,
  users bigint,
  conversion numeric,
  median_minutes numeric,
  p90_minutes numeric,
  exits bigint
)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  since date := flywheel.first_week(weeks_back);
begin
  return query
  with counted as materialized (
    select r.day as week, r.figure, r.key as event_type, sum(r.count)::bigint as count
    from flywheel.current_rollups as r
    where r.figure in ('step', 'exit') and r.day >= since
    group by r.day, r.figure, r.key
  ),
  cohort as (
    select distinct c.week from counted as c where c.figure = 'step' and c.count > 0
    union all
    select null where exists (select from counted as c where c.figure = 'step' and c.count > 0)
  ),
  reached as (
    select
      h.week,
      s.step,
      s.event_type,
      coalesce(sum(c.count) filter (where c.figure = 'step'), 0)::bigint as users,
      coalesce(sum(c.count) filter (where c.figure = 'exit'), 0)::bigint as exits
    from cohort as h
    cross join flywheel.journey_steps() as s
    left join counted as c on c.event_type = s.event_type and (h.week is null or c.week = h.week)
    group by h.week, s.step, s.event_type
  ),
  timed as (
    select
      t.week,
      t.event_type,
      round((max(t.seconds) filter (where t.share = 0.5) / 60)::numeric, 1) as median_minutes,
      round((max(t.seconds) filter (where t.share = 0.9) / 60)::numeric, 1) as p90_minutes
    from flywheel.step_percentiles(since) as t
    group by t.week, t.event_type
  )
  select
    r.week,
    r.step,
    r.event_type,
    r.users,
    round(r.users::numeric / nullif(lag(r.users) over (partition by r.week order by r.step), 0), 4),
    t.median_minutes,
    t.p90_minutes,
    r.exits
  from reached as r
  left join timed as t
    on coalesce(t.week, 'infinity') = coalesce(r.week, 'infinity') and t.event_type = r.event_type
  order by r.week nulls first, r.step;
end
$$;

comment on function public.get_aube_funnel(integer) is
  'How far users come in Aube: a row a step for each week of the last weeks_back (1 to 53; UTC, from Monday), this one included, and for all of them together where cohort_week is null. A user belongs to the week of their first exploration_commencée and has reached a step once its event has happened, at any time since or before; transition_écosystème once the transition is taken. users: who reached the step. conversion: the same as a share of the step before, null where nobody reached that. median_minutes, p90_minutes: from the step that each user reached before it, to a tenth; percentiles lie between two users where need be. exits: users who reached this step last and have not chosen a job.';

-- analytics/get_phoenix_retention.sql
create function public.get_phoenix_retention(weeks_back integer default 13)
returns table (
  app_source text,
  cohort_week date,
  weeks_later integer,
  users bigint,
  retention numeric
)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  since date := flywheel.first_week(weeks_back);
begin
  return query
  select
    nullif(c.app_source, ''),
    c.cohort_week,
    c.weeks_later,
    c.users,
    round(c.users::numeric / first_value(c.users) over (partition by c.app_source, c.cohort_week order by c.weeks_later), 4)
  from (
    select r.app_source, r.day as cohort_week, r.key::integer as weeks_later, sum(r.count)::bigint as users
    from flywheel.current_rollups as r
    where r.figure = 'retention' and r.day >= since
    group by r.app_source, r.day, r.key
    having sum(r.count) > 0
  ) as c
  order by c.app_source, c.cohort_week, c.weeks_later;
end
$$;

comment on function public.get_phoenix_retention(integer) is
  'Who comes back: for each app, and across all of them where app_source is null, the users whose first event ever happened in a week of the last weeks_back (1 to 53; UTC, from Monday), this one included, and how many of them were there so many weeks later. users: with any event in that week. retention: as a share of the cohort, 0 to 1. A week without any of them has no row. What the flywheel itself tells is no presence.';

-- analytics/phoenix_user_journey.sql
create view public.phoenix_user_journey
with (security_invoker = true)
as
select
  e.user_id,
  e.event_type,
  e.app_source,
  e."timestamp",
  lag(e.app_source) over journey as previous_app,
  lead(e.app_source) over journey as next_app,
  e."timestamp" - lag(e."timestamp") over journey as time_since_last_event
from public.phoenix_events as e
where e.app_source <> 'flywheel'
window journey as (partition by e.user_id order by e."timestamp", e.version);

comment on view public.phoenix_user_journey is
  'What each user did, event by event in the order in which it happened, with the app before and the app after. What the flywheel tells itself, such as nudge.cancelled, is left out. Ask for one user (where user_id = …): all of them is the whole log.';
comment on column public.phoenix_user_journey.user_id is 'Who.';
comment on column public.phoenix_user_journey.event_type is 'What happened.';
comment on column public.phoenix_user_journey.app_source is 'In which app.';
comment on column public.phoenix_user_journey."timestamp" is 'When it happened; of two events at the same instant the one that was received first comes first.';
comment on column public.phoenix_user_journey.previous_app is 'The app of the user''s event before; null for the first.';
comment on column public.phoenix_user_journey.next_app is 'The app of the user''s event after; null for the last.';
comment on column public.phoenix_user_journey.time_since_last_event is 'The time since the user''s event before, of any app; null for the first.';

-- analytics/phoenix_ecosystem_analytics.sql
create view public.phoenix_ecosystem_analytics
with (security_invoker = true)
as
select
  r.day as date,
  r.app_source,
  r.key as event_type,
  (sum(r.count) filter (where r.figure = 'event'))::bigint as event_count,
  sum(r.users)::bigint as unique_users,
  case
    when r.app_source <> 'flywheel'
      then round(
        sum(r.total)
        / nullif(
          sum(r.count) filter (where r.figure = 'event')
          - coalesce(sum(r.count) filter (where r.figure = 'first_event'), 0),
          0
        )
      )::double precision * interval '1 microsecond'
  end as avg_time_between_events
from flywheel.event_rollups as r
group by r.day, r.app_source, r.key
having sum(r.count) filter (where r.figure = 'event') > 0
union all
-- A signed-in user sees no rollups, but their own events: the same figures, counted from those.
select
  (j.at at time zone 'UTC')::date,
  j.app_source,
  j.event_type,
  count(*),
  count(distinct j.user_id),
  avg(j.since) filter (where j.app_source <> 'flywheel')
from (
  select
    e.user_id,
    e.app_source,
    e.event_type,
    t.at,
    t.at - lag(t.at) over (partition by e.user_id, e.app_source = 'flywheel' order by t.at, e.version) as since
  from public.phoenix_events as e
  cross join lateral (
    select greatest(e."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
  ) as t
) as j
where current_user = 'authenticated'
group by 1, 2, 3;

comment on view public.phoenix_ecosystem_analytics is
  'Events by UTC day, app and type, as far as the flywheel has handled them; late events on the day they happened. For a signed-in user, their own.';
comment on column public.phoenix_ecosystem_analytics.date is 'The UTC day on which the events happened.';
comment on column public.phoenix_ecosystem_analytics.app_source is 'The app that published them.';
comment on column public.phoenix_ecosystem_analytics.event_type is 'What happened.';
comment on column public.phoenix_ecosystem_analytics.event_count is 'How often.';
comment on column public.phoenix_ecosystem_analytics.unique_users is 'To how many users.';
comment on column public.phoenix_ecosystem_analytics.avg_time_between_events is
  'The mean time since each user''s event before, of any app and on any day, over the events that have one before: the mean of time_since_last_event in phoenix_user_journey. Null where none has, and for app flywheel.';

-- analytics/recent_time.sql
create function flywheel.recent_time()
returns interval
language sql
stable
security definer
set search_path = ''
as $$
  select
    case
      -- From a millisecond on, as the reactors allow it.
      when jsonb_typeof(d.days) = 'number' and d.days::numeric between 1.1574074074074074e-8 and 366 then d.days::double precision
      else 30
    end * interval '24 hours'
  from flywheel.settings as s
  cross join lateral (select s.reactor_settings #> '{nudges,recent_days}' as days) as d
$$;

comment on function flywheel.recent_time() is
  'How long an activity counts as the user''s own habit: nudges.recent_days of settings.reactor_settings, or 30 days where that is missing or out of range. Whether the rest of the settings is allowed only the reactors can tell.';

-- analytics/is_held_out.sql
create function flywheel.is_held_out(user_id uuid, nudge_type text, since timestamptz)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
  select exists (
    select
    from public.phoenix_nudges_sent as n
    where n.user_id = is_held_out.user_id
      and n.nudge_type = is_held_out.nudge_type
      and n.sent_at > is_held_out.since
      and n.held_out
  )
$$;

comment on function flywheel.is_held_out(uuid, text, timestamptz) is
  'Whether a nudge of that type was decided on since and is held out, which row-level security does not let its user see.';

-- analytics/phoenix_nudge_opportunities.sql
create view public.phoenix_nudge_opportunities
with (security_invoker = true)
as
with recent as materialized (
  select now() - flywheel.recent_time() as since
)
select o.user_id, o.nudge_type, o.cv_last_activity, o.letters_last_activity
from (
  select
    a.user_id,
    case when a.letters_last_at > (select r.since from recent as r) then 'letters_to_cv' else 'cv_to_letters' end as nudge_type,
    a.cv_last_at as cv_last_activity,
    a.letters_last_at as letters_last_activity
  from flywheel.user_activity as a
  where case
    when a.letters_last_at > (select r.since from recent as r)
      then a.cv_last_at is null or a.cv_last_at <= (select r.since from recent as r)
    else a.cv_third_last_at > (select r.since from recent as r)
  end
) as o
where not exists (
  select
  from public.phoenix_nudges_sent as n
  where n.user_id = o.user_id
    and n.nudge_type = o.nudge_type
    and n.nudge_type in ('letters_to_cv', 'cv_to_letters')
    and n.sent_at > (select r.since from recent as r)
)
  -- A user is not shown that a nudge is held out: nor may a row here show it.
  and not (
    current_user = 'authenticated' and flywheel.is_held_out(o.user_id, o.nudge_type, (select r.since from recent as r))
  );

comment on view public.phoenix_nudge_opportunities is
  'Who would be nudged between CV and Letters by what they did in the last 30 days (settings: nudges.recent_days), and has had no nudge of that type in them, not even one held out: letters_to_cv for activity in Letters and none in CV; cv_to_letters for three activities in CV or more and none in Letters. The flywheel itself nudges when something happens, at most so many a week; this view lists who is left. Signing in, paying and giving feedback are no activity.';
comment on column public.phoenix_nudge_opportunities.user_id is 'Who.';
comment on column public.phoenix_nudge_opportunities.nudge_type is 'letters_to_cv or cv_to_letters.';
comment on column public.phoenix_nudge_opportunities.cv_last_activity is 'When the user last did something in CV, ever.';
comment on column public.phoenix_nudge_opportunities.letters_last_activity is 'When the user last did something in Letters, ever.';

-- analytics/phoenix_analyst.sql
-- Nobody logs in as it: an administrator grants it to those who may.
do $$
begin
  if to_regrole('phoenix_analyst') is null then
    create role phoenix_analyst nologin;
  end if;
end
$$;

grant usage on schema public to phoenix_analyst;

-- The maker of a role may grant it to others, but not assume it, and so could not read with an analyst's rights.
grant phoenix_analyst to current_user with inherit false, set true;

-- access/flywheel.sql
revoke all on schema flywheel from public, anon, authenticated, service_role;
grant usage on schema flywheel to service_role;

revoke all on all tables in schema flywheel from public, anon, authenticated, service_role;
grant select on all tables in schema flywheel to service_role;
grant update on flywheel.settings to service_role;

revoke all on all functions in schema flywheel from public, anon, authenticated, service_role;
grant execute on function
  flywheel.publish(text, uuid, jsonb, boolean),
  flywheel.publish_together(text, integer[], uuid[], jsonb),
  flywheel.publish_timely(text, integer),
  flywheel.publish_timely_streams(text, integer),
  flywheel.read_stream(uuid, bigint, boolean, integer),
  flywheel.erase_user(uuid, text),
  flywheel.export_user(uuid),
  flywheel.enter(),
  flywheel.lease(text),
  flywheel.extend(uuid, uuid[]),
  flywheel.postpone(uuid, uuid[]),
  flywheel.commit(uuid, text, jsonb, json, jsonb, text, bigint),
  flywheel.leave(uuid, bigint, boolean),
  flywheel.tend(),
  flywheel.prune(),
  flywheel.mend_waits(),
  flywheel.ring(boolean),
  flywheel.mark_nudge(uuid, uuid, text),
  flywheel.read_state(uuid),
  flywheel.settings_history(),
  flywheel.settings_changed_at(),
  flywheel.refold(uuid),
  flywheel.global_context(),
  flywheel.request_transition(uuid, text, text, jsonb, interval, bigint, text[]),
  flywheel.step_transition(uuid, uuid, text, text),
  flywheel.configure_app(text, text, text),
  flywheel.lease_deliveries(),
  flywheel.lease_withdrawals(),
  flywheel.mark_withdrawn(uuid[]),
  flywheel.mark_published(jsonb),
  flywheel.mark_attempted(uuid, uuid),
  flywheel.fail_delivery(uuid, uuid, boolean, text),
  flywheel.answer_delivery(uuid, uuid, text, text),
  flywheel.pending_events(),
  flywheel.queue_status(),
  flywheel.reprocess(uuid, timestamptz, boolean),
  flywheel.replay_progress(),
  flywheel.stop_replays(),
  flywheel.merge_rollups(),
  flywheel.verify_rollups(),
  flywheel.verify_activity(),
  flywheel.rebuild_rollups()
to service_role;

-- access/rollups.sql
-- A view with its caller's rights needs them on the tables behind it; row-level security says whose rows they are.
grant select on
  flywheel.rollups,
  flywheel.rollup_increments,
  flywheel.pending_rollups,
  flywheel.current_rollups,
  flywheel.event_rollups
to authenticated, phoenix_analyst;

-- No rollup is a user's own: authenticated has no policy, and sees no row.
create policy "Analysts read the rollups" on flywheel.rollups
for select to phoenix_analyst
using (true);

create policy "Analysts read what is not merged yet" on flywheel.rollup_increments
for select to phoenix_analyst
using (true);

-- access/user_activity.sql
grant select on flywheel.user_activity to authenticated, phoenix_analyst;

create policy "Users read their own activity" on flywheel.user_activity
for select to authenticated
using (user_id = (select auth.uid()));

create policy "Analysts read when users were active" on flywheel.user_activity
for select to phoenix_analyst
using (true);

-- access/phoenix_events.sql
revoke all on public.phoenix_events from public, anon, authenticated, service_role;
grant select on public.phoenix_events to authenticated, service_role;

create policy "Users read their own events" on public.phoenix_events
for select to authenticated
using (user_id = (select auth.uid()));

-- What happened when, and to whom; not what was said about it.
grant select (user_id, version, event_type, app_source, "timestamp", received_at) on public.phoenix_events to phoenix_analyst;

create policy "Analysts read what happened" on public.phoenix_events
for select to phoenix_analyst
using (true);

-- access/phoenix_nudges_sent.sql
revoke all on public.phoenix_nudges_sent from public, anon, authenticated, service_role;
grant select on public.phoenix_nudges_sent to authenticated, service_role;

-- What is held out is not shown: not through the API, not through Realtime.
create policy "Users read the nudges they were given" on public.phoenix_nudges_sent
for select to authenticated
using (user_id = (select auth.uid()) and not held_out);

-- Which nudges were sent and what became of them; not what they said.
grant select (
  user_id, nudge_id, nudge_type, app_source, target_app, variant, sent_at, shown_at, clicked_at, dismissed_at,
  converted_at, cancelled_at, expired_at, expires_at, success, held_out, status
) on public.phoenix_nudges_sent to phoenix_analyst;

create policy "Analysts read what became of nudges" on public.phoenix_nudges_sent
for select to phoenix_analyst
using (true);

-- Realtime tells front-ends of their user's nudges, by the policy above. Not every server has it.
do $$
begin
  if
    exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime' and not p.puballtables)
    and not exists (
      select from pg_catalog.pg_publication_tables as t
      where t.pubname = 'supabase_realtime' and t.schemaname = 'public' and t.tablename = 'phoenix_nudges_sent'
    )
  then
    alter publication supabase_realtime add table public.phoenix_nudges_sent;
  end if;
end
$$;

-- access/phoenix_nudge_experiments.sql
revoke all on public.phoenix_nudge_experiments from public, anon, authenticated, service_role;
grant select on public.phoenix_nudge_experiments to authenticated, service_role, phoenix_analyst;

-- A view with its caller's rights needs them on the functions that it calls, too.
grant execute on function
  flywheel.nudge_experiments(timestamptz),
  flywheel.two_proportion_p_value(bigint, bigint, bigint, bigint)
to authenticated, service_role, phoenix_analyst;

-- access/phoenix_transitions.sql
revoke all on public.phoenix_transitions from public, anon, authenticated, service_role;
grant select on public.phoenix_transitions to authenticated, service_role;

create policy "Users read their own transitions" on public.phoenix_transitions
for select to authenticated
using (user_id = (select auth.uid()));

-- access/publish_events.sql
revoke all on function public.publish_events(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.publish_events(jsonb) to authenticated, service_role;

-- access/phoenix_user_journey.sql
revoke all on public.phoenix_user_journey from public, anon, authenticated, service_role;
grant select on public.phoenix_user_journey to authenticated, service_role, phoenix_analyst;

-- access/phoenix_ecosystem_analytics.sql
revoke all on public.phoenix_ecosystem_analytics from public, anon, authenticated, service_role;
grant select on public.phoenix_ecosystem_analytics to authenticated, service_role, phoenix_analyst;

-- access/phoenix_nudge_opportunities.sql
revoke all on public.phoenix_nudge_opportunities from public, anon, authenticated, service_role;
grant select on public.phoenix_nudge_opportunities to authenticated, service_role, phoenix_analyst;
grant execute on function flywheel.recent_time(), flywheel.is_held_out(uuid, text, timestamptz) to authenticated, service_role, phoenix_analyst;

-- access/get_phoenix_ecosystem_stats.sql
revoke all on function public.get_phoenix_ecosystem_stats(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_ecosystem_stats(integer) to service_role, phoenix_analyst;

-- access/get_aube_metrics.sql
revoke all on function public.get_aube_metrics(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_aube_metrics(integer) to service_role, phoenix_analyst;

-- access/get_phoenix_kpis.sql
revoke all on function public.get_phoenix_kpis(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_kpis(integer) to service_role, phoenix_analyst;

-- access/get_aube_funnel.sql
revoke all on function public.get_aube_funnel(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_aube_funnel(integer) to service_role, phoenix_analyst;

-- access/get_phoenix_retention.sql
revoke all on function public.get_phoenix_retention(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_retention(integer) to service_role, phoenix_analyst;

-- access/get_phoenix_nudge_experiments.sql
revoke all on function public.get_phoenix_nudge_experiments(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_nudge_experiments(integer) to service_role, phoenix_analyst;
