create function flywheel.queue_status()
returns json
language plpgsql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
begin
  return (
    with backlog as (
      select
        coalesce(sum(s.version - s.processed_version), 0) as pending_events,
        count(*) as pending_users,
        count(*) filter (where s.lease_token is not null and s.available_at > clock_timestamp()) as leased_users,
        -- What counts as received later than now is from before the clock was set back.
        coalesce(extract(epoch from clock_timestamp() - min(least(s.pending_since, clock_timestamp()))), 0)
          as oldest_pending_seconds
      from flywheel.backlog as s
    )
    select json_build_object(
      'status', case
        when b.pending_users = 0 then 'idle'
        when exists (select from flywheel.worker_slots as w where w.expires_at > clock_timestamp()) then 'processing'
        else 'backlogged'
      end,
      'pending_events', b.pending_events,
      'pending_users', b.pending_users,
      'leased_users', b.leased_users,
      'oldest_pending_seconds', round(b.oldest_pending_seconds::numeric, 3),
      'dead_letters', (
        select count(*) from public.phoenix_events as e where e.ai_processing_error is not null
      ),
      'failed_deliveries', (
        select count(*) from flywheel.deliveries as d where d.failed_at is not null
      ),
      'processed_total', (
        select coalesce(sum(w.processed_total), 0) from flywheel.worker_slots as w
      )
    )
    from backlog as b
  );
end
$$;

comment on function flywheel.queue_status() is
  'How the flywheel stands: { status: idle | processing | backlogged, pending_events, pending_users, leased_users, oldest_pending_seconds, dead_letters, failed_deliveries, processed_total }.';
