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
