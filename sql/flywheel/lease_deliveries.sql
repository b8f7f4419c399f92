create function flywheel.lease_deliveries()
returns json
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  due_apps text[];
  silent_apps text[];
  settings flywheel.settings;
  leased json;
begin
  select array_agg(a.app) into due_apps
  from flywheel.apps as a
  -- One look at the index for each app: "exists" might be asked the other way round, of all that is due.
  cross join lateral (
    select from flywheel.deliveries as d where d.app = a.app and d.available_at <= statement_timestamp() limit 1
  ) as d;
  if due_apps is null then
    return null;
  end if;
  select s.* into settings from flywheel.settings as s;

  begin
    -- Apps without an address, whose deliveries are given up below. The lock keeps flywheel.configure_app() from giving them one
    -- meanwhile; an app that it is just configuring is skipped.
    select array_agg(a.app) into silent_apps
    from (
      select s.app from flywheel.apps as s
      where s.app = any (due_apps) and s.delivery_url is null
      order by s.app
      for share skip locked
    ) as a;

    with due as (
      select d.user_id, d.delivery_id, a.delivery_url, a.configuration
      from flywheel.apps as a
      -- The same number for each app, so that none waits behind what another has piled up.
      cross join lateral (
        select d.user_id, d.delivery_id
        from flywheel.deliveries as d
        where d.app = a.app and d.available_at <= statement_timestamp()
        order by d.available_at
        limit greatest(25 / cardinality(due_apps), 1)
        for no key update skip locked
      ) as d
      where a.app = any (due_apps) and (a.delivery_url is not null or a.app = any (silent_apps))
    ),
    taken as (
      update flywheel.deliveries as d
      set
        attempts = d.attempts + 1,
        configuration = due.configuration,
        available_at = clock_timestamp() + settings.lease_time
      from due
      where d.user_id = due.user_id and d.delivery_id = due.delivery_id and due.delivery_url is not null
      returning d.*, due.delivery_url
    ),
    -- Not looked at again until flywheel.configure_app() gives the app an address.
    given_up as (
      update flywheel.deliveries as d
      set available_at = null, failed_at = clock_timestamp(), failure = 'the app has no address'
      from due
      where d.user_id = due.user_id and d.delivery_id = due.delivery_id and due.delivery_url is null
    ),
    signed as (
      select t.app, flywheel.delivery_secret(t.app) as secret
      from (select distinct t.app from taken as t) as t
    )
    select
      json_build_object(
        'retries', settings.delivery_retries,
        'retry_delay', settings.delivery_retry_delay,
        'timeout_seconds', extract(epoch from settings.delivery_timeout)::integer,
        'parallelism', settings.delivery_parallelism,
        'deliveries', coalesce(json_agg(
          json_build_object(
            'user_id', t.user_id,
            'delivery_id', t.delivery_id,
            'app', t.app,
            'kind', t.kind,
            'transition_id', t.transition_id,
            'message', t.message,
            'url', t.delivery_url,
            'secret', s.secret
          )
        ), '[]')
      )
    into leased
    from taken as t
    join signed as s on s.app = t.app
    having exists (select from due);
  exception
    -- As in flywheel.lease(); the next deliverer looks again.
    when lock_not_available then
      return null;
  end;

  return leased;
end
$$;

comment on function flywheel.lease_deliveries() is
  'Takes deliveries that are due, the same number for each app, for settings.lease_time: the caller publishes them, and if it dies, another deliverer does when the lease ends. Those of an app without an address are marked as failed. Returns null where nothing is due, or { retries, retry_delay, timeout_seconds, parallelism, deliveries: [ { user_id, delivery_id, app, kind, transition_id, message, url, secret } ] }.';
