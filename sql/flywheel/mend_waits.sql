create function flywheel.mend_waits()
returns boolean
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
  latest timestamptz;
  ahead interval;
  longest interval;
  mended_at timestamptz;
begin
  -- Whoever publishes rings, and whoever works prunes: one of both notes how far the clock was ahead, and neither takes it back.
  select greatest(d.latest_at, p.pruned_at) into latest from flywheel.doorbell as d, flywheel.pruning as p;
  if latest <= clock_timestamp() then
    return false;
  end if;

  -- A ring holds the bell until its transaction ends, which may wait for a stream: so nobody waits for the bell here, and a ring meanwhile
  -- is left to the caller, who looks for work afterwards.
  if not pg_try_advisory_xact_lock(hashtextextended('flywheel.ring', 0)) then
    return false;
  end if;
  select s.* into settings from flywheel.settings as s;
  -- As long as a delivery is ever to wait: flywheel.lease_deliveries(), mark_published() and tell_again_at() say how long.
  longest := greatest(settings.lease_time, settings.delivery_patience, interval '10 minutes');

  begin
    -- The clock may have gone on a while after it was noted last, and what was leased then may have been committed later still.
    ahead := latest - clock_timestamp() + settings.ring_interval + settings.prune_interval + settings.lease_time;
    -- Beyond what a lease or a wait adds to that there are timers alone, however many.
    perform flywheel.bound_waits(ahead + greatest(settings.lease_time, settings.backoff_max));
    mended_at := clock_timestamp();

    -- What is locked is just being written, by the clock as it is now.
    with decided as (
      select d.user_id, d.delivery_id
      from flywheel.deliveries as d
      where d.attempts = 0 and d.available_at > mended_at and d.available_at <= mended_at + ahead
      for no key update skip locked
    ),
    taken as (
      select d.user_id, d.delivery_id
      from flywheel.deliveries as d
      where d.attempts > 0 and d.available_at > mended_at + longest
      for no key update skip locked
    )
    update flywheel.deliveries as d
    set available_at = w.due_at
    from (
      select c.user_id, c.delivery_id, mended_at as due_at from decided as c
      union all
      select t.user_id, t.delivery_id, mended_at + longest from taken as t
    ) as w
    where d.user_id = w.user_id and d.delivery_id = w.delivery_id;

    -- As long as flywheel.lease_withdrawals() and mark_withdrawn() have one wait.
    with waiting as (
      select w.delivery_id
      from flywheel.withdrawals as w
      where w.available_at > mended_at + greatest(settings.lease_time, interval '5 minutes')
      for no key update skip locked
    )
    update flywheel.withdrawals as l
    set available_at = mended_at + greatest(settings.lease_time, interval '5 minutes')
    from waiting as w
    where l.delivery_id = w.delivery_id;

    update flywheel.doorbell set latest_at = mended_at;
    update flywheel.pruning set pruned_at = '-infinity' where pruned_at > mended_at;
  exception
    -- Somebody holds a stream for long: it is tried again before long.
    when lock_not_available then
      return false;
  end;
  return true;
end
$$;

comment on function flywheel.mend_waits() is
  'Where the database''s clock was ahead and has been set back: finds again what waits for a time that the wrong clock wrote and that is further away than anything may wait: backlogs, late events that are to be counted, deliveries, withdrawals, pruning. Otherwise, as nearly always, it is one look at two rows. Returns whether it did; then something may be due.';
