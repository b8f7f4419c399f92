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
