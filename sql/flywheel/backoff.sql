create function flywheel.backoff(attempts integer)
returns interval
language sql
volatile
set search_path = ''
as $$
  select
    least(s.backoff_max, s.backoff_base * power(2, least(backoff.attempts, 30) - 1))
    * (1 - s.backoff_jitter * random())
  from flywheel.settings as s
$$;

comment on function flywheel.backoff(integer) is
  'The wait after that many failed attempts: backoff_base doubled with each, at most backoff_max, less a random share of up to backoff_jitter.';
