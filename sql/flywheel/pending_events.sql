create function flywheel.pending_events()
returns bigint
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
  return (select coalesce(sum(b.version - b.processed_version), 0) from flywheel.backlog as b);
end
$$;

comment on function flywheel.pending_events() is
  'How many events wait to be folded. Asked at each ring, so without what else flywheel.queue_status() counts: dead letters may be many.';
