create function flywheel.tend()
returns boolean
language plpgsql
security definer
set search_path = ''
set lock_timeout = '200ms'
as $$
begin
  return case
    -- First, since it locks streams: nothing else is locked yet.
    when flywheel.mend_waits() then true
    when flywheel.merge_rollups() > 0 then true
    when flywheel.rewind() > 0 then true
    else flywheel.prune() > 0
  end;
exception
  -- Somebody holds a stream of the replay for long: nobody could merge meanwhile.
  when lock_not_available then
    return false;
end
$$;

comment on function flywheel.tend() is
  'What a worker does when nothing is due: what a clock that was set back has left, or one bounded piece of merging rollups, of a replay or of pruning. Returns whether there may be more to do at once.';
