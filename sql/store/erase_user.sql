create function flywheel.erase_user(user_id uuid, reason text)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  personal regclass;
  erased bigint;
  had_stream boolean;
  withdrawn bigint;
  rows_by_table jsonb := '{}';
begin
  -- The stream first, as everywhere: nobody appends or commits while the rest goes, nor begins a stream that is not there yet.
  insert into flywheel.streams as s (user_id) values (erase_user.user_id)
  on conflict on constraint streams_pkey do update set version = s.version
  -- An updated row has a predecessor.
  returning s.xmax <> 0 into had_stream;

  perform flywheel.uncount_user(erase_user.user_id);

  -- A replay under way that has come as far as this user goes on from the one before.
  update flywheel.replays as r
  set last_user = (
    select s.user_id from flywheel.streams as s
    where s.user_id < r.last_user
    order by s.user_id desc
    limit 1
  )
  where r.last_user = erase_user.user_id;

  -- QStash is to forget all that it had of theirs: even of what was delivered it may have a dead letter, of an attempt that it could not
  -- tell us of. Locked first, so that attempts counts a lease that was under way.
  perform from flywheel.deliveries as d where d.user_id = erase_user.user_id order by d.delivery_id for update;
  insert into flywheel.withdrawals (delivery_id)
  select d.delivery_id
  from flywheel.deliveries as d
  where d.user_id = erase_user.user_id and d.attempts > 0
  on conflict do nothing;
  get diagnostics withdrawn = row_count;

  for personal in select t from flywheel.personal_tables() as t
  loop
    execute format('delete from %s as p where p.user_id = $1', personal) using erase_user.user_id;
    get diagnostics erased = row_count;
    if personal = 'flywheel.streams'::regclass and not had_stream then
      erased := 0;
    end if;
    rows_by_table := rows_by_table || jsonb_build_object(personal::text, erased);
  end loop;

  perform flywheel.record_audit(
    'erase_user',
    erase_user.user_id,
    jsonb_build_object('reason', reason, 'rows', rows_by_table)
  );
  if withdrawn > 0 then
    perform flywheel.ring();
  end if;
  return rows_by_table;
end
$$;

comment on function flywheel.erase_user(uuid, text) is
  'The right to erasure: deletes everything of a user, events included, has QStash forget what it was given to tell apps, and leaves an audit entry that does not say who. reason: why, without anything personal. The account itself is Supabase Auth''s to delete. Returns { table: rows deleted }.';
