create function flywheel.publish(body jsonb, publisher uuid default null, refused jsonb default '{}')
returns jsonb
language plpgsql
security definer
set search_path = ''
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
  users uuid[];
  wave flywheel.incoming_event[];
  verdicts flywheel.verdict[] := '{}';
  expected bigint;
  actual bigint;
  results jsonb;
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
  -- Without the spaces that jsonb writes after commas and colons, which no publisher has to send.
  if octet_length(replace(replace(events::text, ', ', ','), '": ', '":')) > settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most.', settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;

  select
    array_agg(e order by e.ord),
    array_agg(e order by e.ord) filter (where e.issues = '{}'),
    array_agg(distinct e.user_id) filter (where e.issues = '{}')
  into incoming, fine, users
  from flywheel.read_envelopes(events, publisher, refused) as e;

  if fine is not null then
    -- One user's events commit in version order because the stream stays locked from here to the commit;
    -- whatever is read about these users below is therefore final. Ordered, so that two batches cannot deadlock.
    insert into flywheel.streams (user_id)
    select u.user_id from unnest(users) as u (user_id)
    where not exists (select from flywheel.streams as s where s.user_id = u.user_id)
    order by u.user_id
    on conflict do nothing;

    perform from flywheel.streams as s where s.user_id = any (users) order by s.user_id for no key update;
  end if;

  if body ? 'expected_version' then
    if cardinality(users) is distinct from 1 or not pg_input_is_valid(body ->> 'expected_version', 'bigint') then
      raise exception using
        errcode = 'PT400',
        message = 'expected_version must be a whole number, and goes with valid events of one user.',
        detail = 'invalid_expected_version';
    end if;
    expected := (body ->> 'expected_version')::bigint;
    select s.version into actual from flywheel.streams as s where s.user_id = users[1];
    if actual <> expected then
      raise exception using
        errcode = 'PT409',
        message = format('The stream is at version %s, not %s.', actual, expected),
        detail = 'wrong_expected_version';
    end if;
  end if;

  -- Two events of one user with one event_id depend on each other: such a batch, which is rare, goes event by event.
  for wave in
    select array_agg(f order by f.ord)
    from unnest(fine) as f
    cross join (
      select count(distinct (x.user_id, x.event_id)) < count(*) as entangled
      from unnest(fine) as x
      where x.event_id is not null
    ) as all_of_them
    group by case when entangled then f.ord end
    order by min(f.ord)
  loop
    verdicts := verdicts || array(
      select v::flywheel.verdict
      from flywheel.append_events(wave, settings.dedup_window, clock_timestamp()) as v
    );
  end loop;

  with answers as (
    select
      i.ord,
      coalesce(a.status, 'rejected') as status,
        jsonb_build_object(
          'event_id', coalesce(a.event_id, i.event_id),
          'status', coalesce(a.status, 'rejected')
        )
        || jsonb_strip_nulls(jsonb_build_object('error', case
            when a.status = 'rejected' then jsonb_build_object(
              'code', 'event_id_reused',
              'message', 'This event_id stands for an event with another content.'
            )
            when a.status is null then jsonb_build_object(
              'code', 'invalid_event',
              'message', 'The event was refused.',
              'issues', (
                select jsonb_agg(
                  jsonb_build_object('field', split_part(issue, '=', 1), 'message', substr(issue, strpos(issue, '=') + 1))
                )
                from unnest(i.issues) as issue
              )
            )
          end)) as answer
    from unnest(incoming) as i
    left join unnest(verdicts) as a on a.ord = i.ord
  )
  select
    jsonb_build_object(
      'accepted', count(*) filter (where r.status = 'accepted'),
      'duplicates', count(*) filter (where r.status = 'duplicate'),
      'rejected', count(*) filter (where r.status = 'rejected'),
      'results', jsonb_agg(r.answer order by r.ord)
    )
  into results
  from answers as r;

  return results;
end
$$;

comment on function flywheel.publish(jsonb, uuid, jsonb) is
  'Publishes one event or { events, expected_version? } in one transaction: reads the envelopes, locks the streams, deduplicates, appends. publisher: the user who publishes, or null for a secret key, which names a user_id in each event. refused: { index from 0: [ { field, message } ] }, what the caller''s payload check found. Returns { accepted, duplicates, rejected, results } in the order sent. Raises PT400, PT409 wrong_expected_version, PT413, with the code in the error''s detail.';
