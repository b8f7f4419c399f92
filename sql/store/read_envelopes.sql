create function flywheel.read_envelopes(sent jsonb, publisher uuid, refused jsonb, settings flywheel.settings)
returns flywheel.incoming_event[]
language plpgsql
stable
set search_path = ''
-- A time without an offset is UTC, whatever the session's time zone.
set timezone = 'UTC'
as $$
declare
  body text collate "C" := sent::text;
  events jsonb := sent;
  flaws jsonb := '{}';
  are_flawed boolean := false;
  are_refused boolean := refused <> '{}';
  event jsonb;
  fields flywheel.envelope;
  app text;
  payload jsonb;
  metadata jsonb;
  owner_sent text;
  issues text[];
  owner uuid;
  id uuid;
  happened_at timestamptz;
  fingerprint bytea;
  incoming flywheel.incoming_event[] := '{}';
begin
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
    -- Few are nested deeper than the least that max_json_depth can be, so few need a path made for what it is.
    or jsonb_path_exists(sent, '$.**{6}')
    and jsonb_path_exists(sent, format('$.**{%s}', settings.max_json_depth + 2)::jsonpath)
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
    are_flawed := flaws <> '{}';
  end if;

  -- One by one and without a query: to start one takes longer than to read an event.
  for place in 1 .. jsonb_array_length(events) loop
    event := events -> (place - 1);
    fields := jsonb_populate_record(null::flywheel.envelope, event);
    app := coalesce(fields.app_source, fields.source_app);
    if starts_with(app, 'phoenix_') then
      app := substr(app, 9);
    end if;
    payload := coalesce(fields.payload, fields.data, '{}');
    metadata := coalesce(nullif(fields.metadata, 'null'), '{}');
    owner_sent := coalesce(fields.user_id, publisher::text);

    issues := array_remove(
      array[
        case
          when jsonb_typeof(event -> 'event_type') is distinct from 'string'
            then 'event_type=is required and must be text'
          when length(fields.event_type) > 100
            then 'event_type=must be 100 characters at most'
          when fields.event_type !~ ('^[[:alnum:]_]+(\.[[:alnum:]_]+)*$' collate pg_catalog.pg_c_utf8)
            then 'event_type=must be letters, digits and _ in parts joined by a dot'
        end,
        case
          when jsonb_typeof(coalesce(event -> 'app_source', event -> 'source_app')) is distinct from 'string'
            then 'app_source=is required and must be text'
          when app !~ '^[a-z][a-z0-9]*([_-][a-z0-9]+)*$' or length(app) > 50
            then 'app_source=must be a slug: lower-case letters and digits, parts joined by - or _, 50 characters at most'
          when app = 'flywheel'
            then 'app_source=is the flywheel''s own: nobody publishes in its name'
          when event -> 'app_source' <> event -> 'source_app'
            then 'source_app=differs from app_source'
        end,
        case
          when jsonb_typeof(payload) <> 'object' then 'payload=must be an object'
          when event -> 'payload' <> event -> 'data' then 'data=differs from payload'
        end,
        case
          when jsonb_typeof(metadata) <> 'object' then 'metadata=must be an object'
        end,
        case
          when fields.event_id is not null
            and (
              not pg_input_is_valid(fields.event_id, 'uuid')
              -- What is written as every client writes it was text.
              or fields.event_id not like '________-____-____-____-____________'
              and jsonb_typeof(event -> 'event_id') <> 'string'
            )
            then 'event_id=must be a UUID'
        end,
        case
          when owner_sent is null
            then 'user_id=is required with a secret key'
          when not pg_input_is_valid(owner_sent, 'uuid')
            or owner_sent not like '________-____-____-____-____________'
            and jsonb_typeof(event -> 'user_id') not in ('string', 'null')
            then 'user_id=must be a UUID'
          when publisher is not null and owner_sent::uuid <> publisher
            then 'user_id=is not yours: a user publishes as themself'
        end,
        case
          when fields."timestamp" is not null
            and (
              not pg_input_is_valid(fields."timestamp", 'timestamptz')
              -- What every JavaScript client sends needs no regular expression.
              or fields."timestamp" not like '____-__-__T__:__:__.___Z'
              and fields."timestamp" !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?$'
            )
            then 'timestamp=must be an ISO 8601 date and time'
        end,
        case
          when fields.correlation_id is not null
            and (jsonb_typeof(event -> 'correlation_id') <> 'string' or length(fields.correlation_id) > 200)
            then 'correlation_id=must be text of 200 characters at most'
        end,
        case
          when fields.causation_id is not null
            and (jsonb_typeof(event -> 'causation_id') <> 'string' or length(fields.causation_id) > 200)
            then 'causation_id=must be text of 200 characters at most'
        end,
        case
          when fields.session_id is not null
            and (jsonb_typeof(event -> 'session_id') <> 'string' or length(fields.session_id) > 200)
            then 'session_id=must be text of 200 characters at most'
        end,
        case
          when event - array[
            'event_type', 'app_source', 'source_app', 'payload', 'data', 'event_id', 'user_id', 'timestamp',
            'partition_key', 'correlation_id', 'causation_id', 'session_id', 'metadata'
          ] <> '{}'
            then 'event=has a field that the envelope does not know; put it into payload or metadata'
        end
      ],
      null
    );
    if are_flawed and flaws ? place::text then
      issues := array['event=' || (flaws ->> place::text)];
    end if;
    if are_refused and refused ? (place - 1)::text then
      issues := issues || array(
        select format('%s=%s', i.value ->> 'field', i.value ->> 'message')
        from jsonb_array_elements(refused -> (place - 1)::text) as i
      );
    end if;

    if issues = '{}' then
      owner := owner_sent::uuid;
      id := fields.event_id::uuid;
      happened_at := fields."timestamp"::timestamptz;
      -- The fingerprint: SHA-256 over user, type, app, canonical payload and the publisher's time, where it gave one,
      -- separated by the unit separator, which none of them can contain.
      fingerprint := sha256(
        convert_to(
          concat_ws(chr(31), owner, fields.event_type, app, payload, extract(epoch from happened_at)),
          'UTF8'
        )
      );
      if happened_at > clock_timestamp() + settings.future_tolerance then
        issues := array[
          format('timestamp=is more than %s seconds ahead', extract(epoch from settings.future_tolerance)::integer)
        ];
      end if;
    else
      owner := null;
      id := null;
      happened_at := null;
      fingerprint := null;
    end if;

    incoming[place] := row(
      place, owner, id, fields.event_type, app, payload, metadata,
      fields.correlation_id, fields.causation_id, fields.session_id, happened_at, fingerprint, issues
    )::flywheel.incoming_event;
  end loop;
  return incoming;
end
$$;

comment on function flywheel.read_envelopes(jsonb, uuid, jsonb, flywheel.settings) is
  'The one place where the envelope''s rules stand: reads an array of publications, accepts Aube''s field names (source_app, data, partition_key), and returns each in canonical form or with its issues. publisher: the user who publishes, or null for a secret key. refused: { index from 0: [ { field, message } ] }, what the caller already found. Raises PT413.';
