create function flywheel.publish(body jsonb, publisher uuid default null, refused jsonb default '{}')
returns jsonb
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
  verdicts flywheel.verdict[] := '{}';
  place integer;
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

  incoming := array(select e::flywheel.incoming_event from flywheel.read_envelopes(events, publisher, refused) as e);
  fine := array(select i::flywheel.incoming_event from unnest(incoming) as i where i.issues = '{}');
  if fine <> '{}' then
    verdicts := array(
      select v::flywheel.verdict from flywheel.append_events(fine, settings.dedup_window) as v
    );
  end if;

  if body ? 'expected_version' then
    perform flywheel.expect_version(fine, verdicts, body -> 'expected_version');
  end if;

  return (
    select
      jsonb_build_object(
        'accepted', count(*) filter (where v.status = 'accepted'),
        'duplicates', count(*) filter (where v.status = 'duplicate'),
        'rejected', count(*) filter (where coalesce(v.status, 'rejected') = 'rejected'),
        'results', jsonb_agg(
          case
            when v.status in ('accepted', 'duplicate')
              then jsonb_build_object('event_id', v.event_id, 'status', v.status)
            when v.status = 'rejected' then jsonb_build_object(
              'event_id', v.event_id,
              'status', v.status,
              'error', jsonb_build_object(
                'code', 'event_id_reused',
                'message', 'This event_id stands for an event with another content.'
              )
            )
            else jsonb_build_object(
              'event_id', i.event_id,
              'status', 'rejected',
              'error', jsonb_build_object(
                'code', 'invalid_event',
                'message', 'The event was refused.',
                'issues', (
                  select jsonb_agg(
                    jsonb_build_object(
                      'field', split_part(issue, '=', 1),
                      'message', substr(issue, strpos(issue, '=') + 1)
                    )
                  )
                  from unnest(i.issues) as issue
                )
              )
            )
          end
          order by i.ord
        )
      )
    from unnest(incoming) as i
    left join unnest(verdicts) as v on v.ord = i.ord
  );
end
$$;

comment on function flywheel.publish(jsonb, uuid, jsonb) is
  'Publishes one event or { events, expected_version? } in one transaction: reads the envelopes, locks the streams, deduplicates, appends. publisher: the user who publishes, or null for a secret key, which names a user_id in each event. refused: { index from 0: [ { field, message } ] }, what the caller''s payload check found. Returns { accepted, duplicates, rejected, results } in the order sent. Raises PT400, PT409 wrong_expected_version, PT413, with the code in the error''s detail.';
