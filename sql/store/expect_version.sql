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
  actual bigint;
begin
  if cardinality(users) <> 1 or not pg_input_is_valid(expected::text, 'bigint') then
    raise exception using
      errcode = 'PT400',
      message = 'expected_version must be a whole number, and goes with valid events of one user.',
      detail = 'invalid_expected_version';
  end if;

  select s.version - accepted into actual from flywheel.streams as s where s.user_id = users[1];

  -- Whoever repeats a call whose answer was lost finds the stream ahead by their own events, and changes nothing.
  if accepted > 0 and actual <> expected::bigint then
    raise exception using
      errcode = 'PT409',
      message = format('The stream is at version %s, not %s.', actual, expected),
      detail = 'wrong_expected_version';
  end if;
end
$$;

comment on function flywheel.expect_version(flywheel.incoming_event[], flywheel.verdict[], jsonb) is
  'Raises PT409 wrong_expected_version unless the one user''s stream was at the expected version before what was just appended to it.';
