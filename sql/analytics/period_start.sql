create function flywheel.period_start(days_back integer)
returns date
language plpgsql
stable
set search_path = ''
as $$
begin
  if days_back is null or days_back not between 1 and 366 then
    raise exception using
      errcode = 'PT400', message = 'days_back must be from 1 to 366.', detail = 'invalid_days';
  end if;
  return (now() at time zone 'UTC')::date - days_back + 1;
end
$$;

comment on function flywheel.period_start(integer) is
  'The first of so many UTC days, the last of which is today. Periods have no end: what is stamped a little ahead of the clock counts. Raises PT400 invalid_days beyond 1 to 366.';
