create function flywheel.rebuild_activity()
returns integer
language plpgsql
set search_path = ''
as $$
declare
  users uuid[];
begin
  users := array(select v.user_id from flywheel.verify_activity() as v);
  if cardinality(users) = 0 then
    return 0;
  end if;

  -- Locked in the order in which publications lock: what is read below then stays so until it is written.
  perform from flywheel.streams as s where s.user_id = any (users) order by s.user_id for no key update;

  delete from flywheel.user_activity as a where a.user_id = any (users);
  insert into flywheel.user_activity
  select l.* from flywheel.logged_activity() as l where l.user_id = any (users);
  return cardinality(users);
end
$$;

comment on function flywheel.rebuild_activity() is
  'Makes flywheel.user_activity equal to the log where it is not; the users concerned wait meanwhile. Returns how many there were.';
