create function flywheel.publish(body jsonb, publisher uuid default null, refused jsonb default '{}')
returns json
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
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
  verdicts flywheel.verdict[];
  verdict flywheel.verdict;
  is_flawed boolean := false;
  judged integer := 0;
  accepted integer := 0;
  duplicates integer := 0;
  results text[] := '{}';
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
  -- The binary form is a cheap first look. What counts is the text, without the spaces that jsonb writes after commas and
  -- colons, which no publisher has to send.
  if pg_column_size(events) > settings.max_batch_bytes / 2
    and octet_length(replace(replace(events::text, ', ', ','), '": ', '":')) > settings.max_batch_bytes
  then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most.', settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;

  incoming := flywheel.read_envelopes(events, publisher, refused, settings);
  fine := incoming;
  for place in 1 .. cardinality(incoming) loop
    if incoming[place].issues <> '{}' then
      is_flawed := true;
      fine := array(select i::flywheel.incoming_event from unnest(incoming) as i where i.issues = '{}');
      exit;
    end if;
  end loop;
  verdicts := case cardinality(fine)
    when 0 then '{}'
    when 1 then array[flywheel.append_event(fine[1], settings.dedup_window)]
    else flywheel.append_events(fine, settings.dedup_window)
  end;

  if body ? 'expected_version' then
    perform flywheel.expect_version(fine, verdicts, body -> 'expected_version');
  end if;

  -- Written as text: to build a JSON value and to write it out takes longer.
  for place in 1 .. cardinality(incoming) loop
    if is_flawed and incoming[place].issues <> '{}' then
      results[place] := flywheel.refusal(incoming[place].issues);
      continue;
    end if;

    judged := judged + 1;
    verdict := verdicts[judged];
    accepted := accepted + (verdict.status = 'accepted')::integer;
    duplicates := duplicates + (verdict.status = 'duplicate')::integer;
    results[place] := concat(
      '{"event_id":"', verdict.event_id, '","status":"', verdict.status, '"',
      case
        when verdict.status = 'rejected'
          then ',"error":{"code":"event_id_reused","message":"This event_id stands for an event with another content."}'
      end,
      '}'
    );
  end loop;
  return concat(
    '{"accepted":', accepted, ',"duplicates":', duplicates, ',"rejected":', cardinality(incoming) - accepted - duplicates,
    ',"results":[', array_to_string(results, ','), ']}'
  );
end
$$;

comment on function flywheel.publish(jsonb, uuid, jsonb) is
  'Publishes one event or { events, expected_version? } in one transaction: reads the envelopes, locks the streams, deduplicates, appends. publisher: the user who publishes, or null for a secret key, which names a user_id in each event. refused: { index from 0: [ { field, message } ] }, what the caller''s payload check found. Returns { accepted, duplicates, rejected, results } in the order sent. Raises PT400, PT409 wrong_expected_version, PT413, with the code in the error''s detail.';
