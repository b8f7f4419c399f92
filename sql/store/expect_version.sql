create function flywheel.expect_version(
  incoming flywheel.incoming_event[],
  verdicts flywheel.verdict[],
  expected jsonb
)
returns void
language plpgsql
set search_path = ''
as $$
declare
  users uuid[] := array(select distinct i.user_id from unnest(incoming) as i where i.issues = '{}');
  accepted bigint := (select count(*) from unnest(verdicts) as v where v.status = 'accepted');
  duplicates bigint := (select count(*) from unnest(verdicts) as v where v.status = 'duplicate');
  refusal text;
  actual bigint;
begin
  if cardinality(users) > 1
    or (case when jsonb_typeof(expected) = 'number' then expected::numeric % 1 <> 0 else true end)
  then
    raise exception using
      errcode = 'PT400',
      message = 'expected_version must be a whole number, and goes with events of one user.',
      detail = 'invalid_expected_version';
  end if;

  -- A call that is repeated because its answer was lost finds the stream ahead by its own events, and changes nothing. Nor does one of
  -- which everything is refused.
  if accepted = 0 and duplicates in (0, cardinality(incoming)) then
    return;
  end if;

  select format('events[%s].%s', r.place - 1, r.reason) into refusal
  from (
    select
      i.place,
      case
        when i.issues <> '{}' then regexp_replace(i.issues[1], '=([^=]*)$', ' \1')
        when verdicts[i.place].status = 'rejected' then 'event_id stands for an event with another content'
      end as reason
    from unnest(incoming) with ordinality as i (
      user_id, event_id, is_id_given, event_type, app_source, payload, metadata,
      correlation_id, causation_id, session_id, "timestamp", fingerprint, issues, place
    )
  ) as r
  where r.reason is not null
  order by r.place
  limit 1;
  if refusal is not null then
    raise exception using
      errcode = 'PT422',
      message = format('With expected_version all events are taken or none: %s.', refusal),
      detail = 'invalid_events';
  end if;

  select s.version - accepted into actual from flywheel.streams as s where s.user_id = users[1];
  if actual <> expected::numeric then
    raise exception using
      errcode = 'PT409',
      message = format('The stream is at version %s, not %s.', actual, expected),
      detail = 'wrong_expected_version';
  end if;
end
$$;

comment on function flywheel.expect_version(flywheel.incoming_event[], flywheel.verdict[], jsonb) is
  'Raises PT409 wrong_expected_version unless the one user''s stream was at the expected version before what was just appended to it, and PT422 where some of what was sent is refused, but not all.';
