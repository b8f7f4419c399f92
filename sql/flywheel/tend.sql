create function flywheel.tend()
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
  return case
    when flywheel.merge_rollups() > 0 then true
    when flywheel.rewind() > 0 then true
    else flywheel.prune() > 0
  end;
end
$$;

comment on function flywheel.tend() is
  'What a worker does when nothing is due: one bounded piece of merging rollups, of a replay or of pruning. Returns whether there may be more to do at once.';
