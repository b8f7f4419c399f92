create function flywheel.count_users(of_users uuid[], counted bigint[], upto bigint[])
returns void
language sql
set search_path = ''
as $$
  select flywheel.add_figures(of_users, counted, -1);
  select flywheel.add_figures(of_users, upto, 1);
$$;

comment on function flywheel.count_users(uuid[], bigint[], bigint[]) is
  'Counts users anew from the log, in place of what was counted up to a version of each: for events that happened before some that were counted already.';
