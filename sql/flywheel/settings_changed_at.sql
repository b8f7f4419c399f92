create function flywheel.settings_changed_at()
returns double precision
language sql
stable
set search_path = ''
as $$
  select case
    when isfinite(max(c.changed_at)) then (extract(epoch from max(c.changed_at)) * 1000000)::double precision
    else 0
  end
  from flywheel.settings_changes as c
$$;

comment on function flywheel.settings_changed_at() is
  'When the reactors'' settings were changed last, in microseconds since 1970: whoever has read flywheel.settings_history() up to then knows it all.';
