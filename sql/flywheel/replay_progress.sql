create function flywheel.replay_progress()
returns json
language sql
stable
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
  with set_back as (
    select count(*) as users, coalesce(sum(s.folded_version - s.processed_version), 0) as events
    from flywheel.backlog as s
    where s.processed_version < s.folded_version
  )
  select json_build_object(
    'pending_users', b.users,
    'pending_events', b.events,
    'replays', (
      select coalesce(json_agg(r.progress order by r.asked_at desc), '[]')
      from (
        select
          l.asked_at,
          json_build_object(
            'replay_id', l.replay_id,
            'status', case
              when l.stopped_at is not null then 'stopped'
              when l.finished_at is not null then 'finished'
              else 'running'
            end,
            'user_id', l.user_id,
            'since', l.since,
            'only_failed', l.only_failed,
            'asked_at', l.asked_at,
            'users_total', l.users_total,
            'events_total', l.events_total,
            'users', l.users,
            'events', l.events,
            'finished_at', l.finished_at,
            'stopped_at', l.stopped_at
          ) as progress
        from flywheel.replays as l
        order by l.asked_at desc
        limit 10
      ) as r
    )
  )
  from set_back as b
$$;

comment on function flywheel.replay_progress() is
  'How the last ten replays stand, newest first: { pending_users, pending_events, replays: [ { replay_id, status: running | finished | stopped, users of users_total set back, … } ] }. pending: who was set back and is not folded up to date yet.';
