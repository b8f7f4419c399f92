create function flywheel.first_week(weeks_back integer)
returns date
language plpgsql
stable
set search_path = ''
as $$
begin
  if weeks_back is null or weeks_back not between 1 and 53 then
    raise exception using
      errcode = 'PT400', message = 'weeks_back must be from 1 to 53.', detail = 'invalid_weeks';
  end if;
  return date_trunc('week', now() at time zone 'UTC')::date - 7 * (weeks_back - 1);
end
$$;

comment on function flywheel.first_week(integer) is
  'The Monday of the first of so many weeks, the last of which is this one, in UTC. Raises PT400 invalid_weeks beyond 1 to 53.';
