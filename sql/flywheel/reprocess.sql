create function flywheel.reprocess(
  only_user uuid default null,
  since timestamptz default null,
  only_failed boolean default false
)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  replay flywheel.replays;
begin
  if only_user is not null then
    -- The stream first, as everywhere. A user who was erased has none, and nothing is noted of them.
    perform from flywheel.streams as s where s.user_id = only_user for no key update;
    if not found then
      return json_build_object('users', 0, 'events', 0);
    end if;
  end if;

  insert into flywheel.replays as r (user_id, since, only_failed)
  values (only_user, reprocess.since, reprocess.only_failed)
  returning r.* into replay;

  update flywheel.replays as r
  set users_total = all_of_them.users, events_total = all_of_them.events
  from (
    select count(*) as users, coalesce(sum(c.version), 0) as events
    from flywheel.replayed_streams(replay, null) as c
  ) as all_of_them
  where r.replay_id = replay.replay_id
  returning r.* into replay;

  perform flywheel.rewind(replay.replay_id);

  return json_build_object('users', replay.users_total, 'events', replay.events_total);
end
$$;

comment on function flywheel.reprocess(uuid, timestamptz, boolean) is
  'Asks for a replay: of one user, of those with events received since a time, of those with dead letters, or of all. A fold has no middle to start from, so each is folded anew from the first event; effects are not written twice. The first settings.replay_users users are set back at once, the others by the workers, piece by piece. Returns { users, events }: what is to be folded anew.';
