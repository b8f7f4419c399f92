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
