create function flywheel.uncount_user(user_id uuid)
returns void
language sql
set search_path = ''
as $$
  select flywheel.count_users(array[s.user_id], array[s.counted_version], array[0::bigint])
  from flywheel.streams as s
  where s.user_id = uncount_user.user_id
$$;

comment on function flywheel.uncount_user(uuid) is
  'Takes a user out of every figure, as if they had never been there: for an erasure, which has locked the stream and deletes the log next.';
