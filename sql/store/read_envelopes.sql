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
