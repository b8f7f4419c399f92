create function flywheel.stop_replays()
returns integer
language plpgsql
security definer
set search_path = ''
as $$
declare
  stopped integer;
begin
  update flywheel.replays as r
  set stopped_at = clock_timestamp(), last_user = null
  where r.finished_at is null and r.stopped_at is null;
  get diagnostics stopped = row_count;
  return stopped;
end
$$;

comment on function flywheel.stop_replays() is
  'Stops every replay under way: nobody more is set back; who has been is folded to the end. Returns how many it stopped.';
