create function flywheel.expect_version(incoming flywheel.incoming_event[], expected jsonb)
returns void
language plpgsql
set search_path = ''
as $$
declare
  users uuid[] := array(select distinct i.user_id from unnest(incoming) as i);
  actual bigint;
begin
  if cardinality(users) <> 1 or not pg_input_is_valid(expected::text, 'bigint') then
    raise exception using
      errcode = 'PT400',
      message = 'expected_version must be a whole number, and goes with valid events of one user.',
      detail = 'invalid_expected_version';
  end if;

  insert into flywheel.streams (user_id) values (users[1]) on conflict do nothing;
  select s.version into actual from flywheel.streams as s where s.user_id = users[1] for no key update;

  if actual <> expected::bigint then
    raise exception using
      errcode = 'PT409',
      message = format('The stream is at version %s, not %s.', actual, expected),
      detail = 'wrong_expected_version';
  end if;
end
$$;

comment on function flywheel.expect_version(flywheel.incoming_event[], jsonb) is
  'Locks the one user''s stream and raises PT409 wrong_expected_version unless it is at the expected version.';
