create function flywheel.read_envelopes(sent jsonb, publisher uuid, refused jsonb)
returns setof flywheel.incoming_event
language plpgsql
stable
set search_path = ''
-- A time without an offset is UTC, whatever the session's time zone.
set timezone = 'UTC'
set plan_cache_mode = 'force_generic_plan'
as $$
#variable_conflict use_column
declare
  settings flywheel.settings;
  body text collate "C" := sent::text;
  events jsonb := sent;
  flaws jsonb := '{}';
begin
  select s.* into settings from flywheel.settings as s;

  -- A number such as 1e300 is small until it is written out, here and for everyone who reads it.
  if octet_length(body) > 2 * settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413', message = 'A publication''s numbers are too long when written out.', detail = 'body_too_large';
  end if;

  -- Most publications are canonical as they come: one look at the whole text spares each event the careful way. Below
  -- U+0300 all text is in NFC.
  if (
      body ~ '\.[0-9]*0[],} ]|[0-9]{60}|[^\u0001-\u02ff]'
      and (body is not nfc normalized or body ~ '\.[0-9]*0[],} ]|[0-9]{60}')
    )
    or jsonb_path_exists(sent, 'strict $[*] ? (@.type() != "object")')
    or jsonb_path_exists(sent, format('$.**{%s}', settings.max_json_depth + 2)::jsonpath)
  then
    select
      jsonb_agg(case when f.flaw is null then flywheel.canonical_json(e.value) else '{}' end order by e.ordinality),
      coalesce(jsonb_object_agg(e.ordinality, f.flaw) filter (where f.flaw is not null), '{}')
    into events, flaws
    from jsonb_array_elements(sent) with ordinality as e,
      lateral (
        select case
          when jsonb_typeof(e.value) <> 'object' then 'must be an object'
          else flywheel.json_flaw(e.value, settings.max_json_depth)
        end as flaw
      ) as f;
  end if;

  -- In PL/pgSQL for its plan cache: a plain SQL function of this size takes longer to plan than to run.
  return query
  with fields as (
    select
      e.ordinality::integer as ord,
      e.value,
      e.event_type,
      case
        when starts_with(coalesce(e.app_source, e.source_app), 'phoenix_')
          then substr(coalesce(e.app_source, e.source_app), 9)
        else coalesce(e.app_source, e.source_app)
      end as app_source,
      coalesce(e.payload, e.data, '{}') as payload,
      coalesce(nullif(e.metadata, 'null'), '{}') as metadata,
      e.event_id,
      coalesce(e.user_id, publisher::text) as user_id,
      e."timestamp",
      e.correlation_id,
      e.causation_id,
      e.session_id
    from rows from (
      jsonb_array_elements(events),
      jsonb_to_recordset(events) as (
        event_type text, app_source text, source_app text, payload jsonb, data jsonb, metadata jsonb, event_id text,
        user_id text, "timestamp" text, correlation_id text, causation_id text, session_id text
      )
    ) with ordinality as e (
      value, event_type, app_source, source_app, payload, data, metadata, event_id,
      user_id, "timestamp", correlation_id, causation_id, session_id, ordinality
    )
    offset 0
  ),
  checked as (
    select
      f.*,
      case
        when flaws ? f.ord::text then array['event=' || (flaws ->> f.ord::text)]
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
              when f.event_id is not null
                and (jsonb_typeof(f.value -> 'event_id') <> 'string' or not pg_input_is_valid(f.event_id, 'uuid'))
                then 'event_id=must be a UUID'
            end,
            case
              when f.user_id is null
                then 'user_id=is required with a secret key'
              when jsonb_typeof(f.value -> 'user_id') not in ('string', 'null') or not pg_input_is_valid(f.user_id, 'uuid')
                then 'user_id=must be a UUID'
              when publisher is not null and f.user_id::uuid <> publisher
                then 'user_id=is not yours: a user publishes as themself'
            end,
            case
              when f."timestamp" is not null
                and (
                  not pg_input_is_valid(f."timestamp", 'timestamptz')
                  -- What every JavaScript client sends needs no regular expression.
                  or f."timestamp" not like '____-__-__T__:__:__.___Z'
                  and f."timestamp" !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$'
                )
                then 'timestamp=must be an ISO 8601 date and time'
            end,
            case
              when f.correlation_id is not null
                and (jsonb_typeof(f.value -> 'correlation_id') <> 'string' or length(f.correlation_id) > 200)
                then 'correlation_id=must be text of 200 characters at most'
            end,
            case
              when f.causation_id is not null
                and (jsonb_typeof(f.value -> 'causation_id') <> 'string' or length(f.causation_id) > 200)
                then 'causation_id=must be text of 200 characters at most'
            end,
            case
              when f.session_id is not null
                and (jsonb_typeof(f.value -> 'session_id') <> 'string' or length(f.session_id) > 200)
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
      || case
        when refused ? (f.ord - 1)::text then array(
          select format('%s=%s', i.value ->> 'field', i.value ->> 'message')
          from jsonb_array_elements(refused -> (f.ord - 1)::text) as i
        )
        else '{}'
      end as issues
    from fields as f
    offset 0
  ),
  typed as (
    select
      c.*,
      case when c.issues = '{}' then c.user_id::uuid end as owner,
      case when c.issues = '{}' then c."timestamp"::timestamptz end as happened_at
    from checked as c
    offset 0
  )
  select
    t.ord,
    t.owner,
    case when t.issues = '{}' then t.event_id::uuid end,
    t.event_type,
    t.app_source,
    t.payload,
    t.metadata,
    t.correlation_id,
    t.causation_id,
    t.session_id,
    t.happened_at,
    -- The fingerprint: SHA-256 over user, type, app, canonical payload and the publisher's time, where it gave one,
    -- separated by the unit separator, which none of them can contain.
    case
      when t.issues = '{}' then sha256(
        convert_to(
          concat_ws(chr(31), t.owner, t.event_type, t.app_source, t.payload, extract(epoch from t.happened_at)),
          'UTF8'
        )
      )
    end,
    case
      when t.happened_at > clock_timestamp() + settings.future_tolerance
        then array[
          format('timestamp=is more than %s seconds ahead', extract(epoch from settings.future_tolerance)::integer)
        ]
      else t.issues
    end
  from typed as t;
end
$$;

comment on function flywheel.read_envelopes(jsonb, uuid, jsonb) is
  'The one place where the envelope''s rules stand: reads an array of publications, accepts Aube''s field names (source_app, data, partition_key), and returns each in canonical form or with its issues. publisher: the user who publishes, or null for a secret key. refused: { index from 0: [ { field, message } ] }, what the caller already found. Raises PT413.';
