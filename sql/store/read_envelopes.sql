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
