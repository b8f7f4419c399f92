create function flywheel.recent_time()
returns interval
language sql
stable
security definer
set search_path = ''
as $$
  select
    case
      -- From a millisecond on, as the reactors allow it.
      when jsonb_typeof(d.days) = 'number' and d.days::numeric between 1.1574074074074074e-8 and 366 then d.days::double precision
      else 30
    end * interval '24 hours'
  from flywheel.settings as s
  cross join lateral (select s.reactor_settings #> '{nudges,recent_days}' as days) as d
$$;

comment on function flywheel.recent_time() is
  'How long an activity counts as the user''s own habit: nudges.recent_days of settings.reactor_settings, or 30 days where that is missing or out of range. Whether the rest of the settings is allowed only the reactors can tell.';
