create function flywheel.rewind(which uuid default null)
returns integer
language plpgsql
set search_path = ''
as $$
declare
  settings flywheel.settings;
  replay flywheel.replays;
  chosen uuid[];
  locked uuid[];
  rewound bigint;
  rewound_events bigint;
begin
  select s.* into settings from flywheel.settings as s;

  -- One worker at a time; the others have something better to do.
  select r.* into replay
  from flywheel.replays as r
  where r.finished_at is null
    and r.stopped_at is null
    and (which is null or r.replay_id = which)
  order by r.asked_at
  limit 1
  for no key update skip locked;
  if not found then
    return 0;
  end if;

  chosen := array(select c.user_id from flywheel.replayed_streams(replay, settings.replay_users) as c);

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  -- A user who is being erased is gone by then.
  locked := array(
    select s.user_id from flywheel.streams as s where s.user_id = any (chosen) order by s.user_id for no key update
  );

  delete from flywheel.states as st where st.user_id = any (locked);

  with changed as (
    -- Without its token a lease that is out cannot commit any more.
    update flywheel.streams as s
    set
      processed_version = 0,
      lease_token = null,
      attempts = 0,
      wake_at = null,
      pending_since = clock_timestamp(),
      available_at = clock_timestamp()
    where s.user_id = any (locked)
    returning s.version
  )
  select count(*), coalesce(sum(c.version), 0) into rewound, rewound_events from changed as c;

  update flywheel.replays as r
  set
    users = r.users + rewound,
    events = r.events + rewound_events,
    last_user = case
      when cardinality(chosen) = settings.replay_users then coalesce(locked[cardinality(locked)], r.last_user)
    end,
    finished_at = case when cardinality(chosen) < settings.replay_users then clock_timestamp() end
  where r.replay_id = replay.replay_id;

  return rewound;
end
$$;

comment on function flywheel.rewind(uuid) is
  'Sets the next settings.replay_users users of a replay, or of the oldest one under way, back to before their first event. Returns how many.';
