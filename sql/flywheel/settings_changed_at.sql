create function flywheel.settings_changed_at()
returns double precision
language plpgsql
stable
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return (
    select case
      when isfinite(max(c.changed_at)) then (extract(epoch from max(c.changed_at)) * 1000000)::double precision
      else 0
    end
    from flywheel.settings_changes as c
  );
end
$$;

comment on function flywheel.settings_changed_at() is
  'When the reactors'' settings were changed last, in microseconds since 1970: whoever has read flywheel.settings_history() up to then knows it all.';
