create function flywheel.leave(token uuid, processed bigint, hands_on boolean default false)
returns boolean
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set jit = off
set lock_timeout = '200ms'
as $$
declare
  is_left boolean := hands_on;
begin
  update flywheel.worker_slots as w
  set
    token = null,
    expires_at = '-infinity',
    processed_total = w.processed_total + leave.processed
  where w.token = leave.token;

  -- What somebody has locked the next worker could not take either: to ring for it would be to ring on and on. A publication rings by
  -- itself, and the sweep comes.
  if not hands_on then
    begin
      perform from flywheel.streams as s
      where s.available_at <= statement_timestamp()
      limit 1
      for no key update skip locked;
      if not found then
        perform from flywheel.replays as r
        where r.finished_at is null and r.stopped_at is null
        limit 1
        for no key update skip locked;
      end if;
      is_left := found;
      -- Lets go of the lock at once: this was only a look, and other workers look as well.
      raise exception using errcode = 'PF000';
    exception
      when sqlstate 'PF000' then
        null;
      -- As in flywheel.lease(), the look may have to wait. A ring too many does no harm.
      when lock_not_available then
        is_left := true;
    end;
  end if;

  -- Regardless of the interval: a worker that was rung just now may have found no slot free.
  return is_left and flywheel.ring(regardless => true);
end
$$;

comment on function flywheel.leave(uuid, bigint, boolean) is
  'Gives a worker''s slot back, adds what it handled to the total, and rings the doorbell if there is work left that nobody else holds. hands_on: it leaves before it has found nothing more for settings.linger, and rings for another who does: some rings were left to it. Returns whether it rang.';
