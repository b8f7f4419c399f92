create function flywheel.postpone(token uuid, users uuid[])
returns void
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
    where s.user_id = any (postpone.users) and s.lease_token = postpone.token
    order by s.user_id
    for no key update
  )
  update flywheel.streams as s
  set
    -- So that at least one more attempt is left before the last.
    attempts = least(s.attempts, o.max_attempts - 2),
    available_at = clock_timestamp() + flywheel.backoff(s.attempts)
  from held as h, flywheel.settings as o
  where s.user_id = h.user_id
$$;

comment on function flywheel.postpone(uuid, uuid[]) is
  'Puts a lease off whose worker lives but could not commit, as while a table cannot be written: such attempts never use up settings.max_attempts, and no event is set aside for them. The token stays, so that they are leased one by one.';
