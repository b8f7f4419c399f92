create function flywheel.leave(token uuid, processed bigint)
returns boolean
language sql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set jit = off
as $$
  update flywheel.worker_slots as w
  set
    token = null,
    expires_at = '-infinity',
    processed_total = w.processed_total + leave.processed
  where w.token = leave.token;

  -- Whoever leaves work behind rings for the next worker: who was rung just now may have found no slot free.
  select (
    exists (select from flywheel.streams as s where s.available_at <= statement_timestamp())
    or exists (select from flywheel.replays as r where r.finished_at is null and r.stopped_at is null)
  ) and flywheel.ring(regardless => true)
$$;

comment on function flywheel.leave(uuid, bigint) is
  'Gives a worker''s slot back, adds what it handled to the total, and rings the doorbell if there is work left. Returns whether it rang.';
