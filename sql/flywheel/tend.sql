create function flywheel.tend()
returns boolean
language plpgsql
security definer
set search_path = ''
as $$
begin
  -- Mostly all that commits have left is merged at once: then the rest need not wait for another call.
  if flywheel.merge_rollups() > 0 then
    perform from flywheel.rollup_increments limit 1;
    if found then
      return true;
    end if;
  end if;
  return case when flywheel.rewind() > 0 then true else flywheel.prune() > 0 end;
end
$$;

comment on function flywheel.tend() is
  'What a worker does when nothing is due: a bounded piece of merging rollups and, once they are merged, one of a replay or of pruning. Returns whether there may be more to do at once.';
