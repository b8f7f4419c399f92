create function flywheel.verify_activity()
returns setof flywheel.user_activity
language sql
stable
security definer
set search_path = ''
as $$
  select coalesce(l.user_id, a.user_id), l.cv_last_at, l.cv_third_last_at, l.letters_last_at
  from flywheel.logged_activity() as l
  full join flywheel.user_activity as a on a.user_id = l.user_id
  where l.* is distinct from a.*
$$;

comment on function flywheel.verify_activity() is
  'What the log says of the users of whom flywheel.user_activity says something else: no row where it is right.';
