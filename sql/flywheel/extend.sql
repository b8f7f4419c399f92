create function flywheel.extend(token uuid, users uuid[])
returns json
language sql
security definer
set search_path = ''
as $$
  -- Until this is committed no lower settings come than the next statement reads. Before any stream is locked, since lower ones lock
  -- streams as well.
  select pg_advisory_xact_lock_shared(hashtextextended('flywheel.waits', 0));

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  with held as materialized (
    select s.user_id
    from flywheel.streams as s
    where s.user_id = any (extend.users) and s.lease_token = extend.token
    order by s.user_id
    for no key update
  ),
  extended as (
    update flywheel.streams as s
    set available_at = clock_timestamp() + o.lease_time
    from held as h, flywheel.settings as o
    where s.user_id = h.user_id
    returning s.user_id
  )
  select coalesce(json_agg(e.user_id), '[]') from extended as e
$$;

comment on function flywheel.extend(uuid, uuid[]) is
  'Gives a lease another settings.lease_time from now for these of its users. Returns the users that the token still holds: the others were leased to somebody else, or set back.';
