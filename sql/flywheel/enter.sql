create function flywheel.enter()
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  entered json;
begin
  insert into flywheel.worker_slots (slot)
  select n.slot
  from flywheel.settings as s, generate_series(1, s.max_workers) as n (slot)
  where not exists (select from flywheel.worker_slots as w where w.slot = n.slot)
  on conflict do nothing;

  -- No slot is held for longer than twice the budget: that may have been lowered since, or the clock set back.
  update flywheel.worker_slots as w
  set expires_at = clock_timestamp() + 2 * s.work_budget
  from flywheel.settings as s
  where w.slot in (
    select l.slot
    from flywheel.worker_slots as l, flywheel.settings as o
    where l.expires_at > clock_timestamp() + 2 * o.work_budget
    for no key update of l skip locked
  );

  with free as (
    select w.slot
    from flywheel.worker_slots as w, flywheel.settings as s
    where w.expires_at <= clock_timestamp() and w.slot <= s.max_workers
    order by w.slot
    limit 1
    for no key update of w skip locked
  )
  update flywheel.worker_slots as w
  set
    token = gen_random_uuid(),
    expires_at = clock_timestamp() + 2 * s.work_budget
  from free as f, flywheel.settings as s
  where w.slot = f.slot
  returning json_build_object(
    'token', w.token,
    'work_budget_ms', (extract(epoch from s.work_budget) * 1000)::integer,
    'work_events', s.work_events,
    'linger_ms', (extract(epoch from s.linger) * 1000)::integer,
    'lease_ms', (extract(epoch from s.lease_time) * 1000)::integer
  )
  into entered;

  return entered;
end
$$;

comment on function flywheel.enter() is
  'Gives the caller a worker''s slot: { token, work_budget_ms, work_events, linger_ms, lease_ms }, or null where settings.max_workers are at work, who will find what there is. A slot that its worker does not give back is free again after twice settings.work_budget: the worker has died, or ends what it has leased beside another.';
