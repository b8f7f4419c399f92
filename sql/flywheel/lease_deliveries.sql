create function flywheel.lease_deliveries()
returns json
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  settings flywheel.settings;
  leased json;
begin
  if not exists (
    select from flywheel.deliveries as d where d.available_at <= statement_timestamp()
  ) then
    return null;
  end if;
  select s.* into settings from flywheel.settings as s;

  begin
    with due as (
      select d.user_id, d.delivery_id
      from flywheel.deliveries as d
      join flywheel.apps as a on a.app = d.app and a.delivery_url is not null
      where d.available_at <= statement_timestamp()
      order by d.available_at
      limit 25
      for no key update of d skip locked
    ),
    taken as (
      update flywheel.deliveries as d
      set
        attempts = d.attempts + 1,
        available_at = clock_timestamp() + settings.lease_time
      from due
      where d.user_id = due.user_id and d.delivery_id = due.delivery_id
      returning d.*
    ),
    told as (
      select
        a.app,
        a.delivery_url,
        flywheel.delivery_secret(a.app) as secret
      from flywheel.apps as a
      where exists (select from taken as t where t.app = a.app)
    )
    select
      json_build_object(
        'retries', settings.delivery_retries,
        'retry_delay', settings.delivery_retry_delay,
        'timeout_seconds', extract(epoch from settings.delivery_timeout)::integer,
        'parallelism', settings.delivery_parallelism,
        'deliveries', json_agg(
          json_build_object(
            'user_id', t.user_id,
            'delivery_id', t.delivery_id,
            'app', t.app,
            'kind', t.kind,
            'transition_id', t.transition_id,
            'message', t.message,
            'url', told.delivery_url,
            'secret', told.secret
          )
        )
      )
    into leased
    from taken as t
    join told on told.app = t.app
    having count(*) > 0;
  exception
    -- As in flywheel.lease(): whoever comes next looks again.
    when lock_not_available then
      return null;
  end;

  return leased;
end
$$;

comment on function flywheel.lease_deliveries() is
  'Takes deliveries that are due, for settings.lease_time: whoever takes them publishes them, and if it dies another does so when the lease ends. Returns null, or { retries, retry_delay, timeout_seconds, parallelism, deliveries: [ { user_id, delivery_id, app, kind, transition_id, message, url, secret } ] }.';
