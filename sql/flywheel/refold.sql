create function flywheel.refold(owner uuid)
returns void
language sql
security definer
set search_path = ''
as $$
  -- Only where nobody is at it and nothing is waited for but a timer: a lease or a backlog brings the worker anyway.
  update flywheel.streams as s
  -- As a timer that has come due: a publication that turns out to be a duplicate sets available_at back to wake_at.
  set available_at = n.moment, wake_at = n.moment
  from (select clock_timestamp() as moment) as n
  where s.user_id = owner
    and s.lease_token is null
    and s.attempts = 0
    and s.available_at is not distinct from s.wake_at;

  select flywheel.ring()
$$;

comment on function flywheel.refold(uuid) is
  'Has a worker look at a user soon, who folds anew what was folded by other reactors.';
