create function flywheel.replayed_streams(replay flywheel.replays, max_users integer)
returns table (user_id uuid, version bigint)
language sql
stable
set search_path = ''
as $$
  select s.user_id, s.version
  from flywheel.streams as s
  -- Bounds, so that one user's replay does not look at everybody, nor the next piece at those before.
  where s.user_id between
      coalesce((replay).user_id, (replay).last_user, '00000000-0000-0000-0000-000000000000')
      and coalesce((replay).user_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and s.user_id is distinct from (replay).last_user
    and s.version > 0
    and (
      (replay).since is null
      -- received_at grows with the version: the last event tells. Looked up one by one: without the offset a plan may read the log.
      or exists (
        select from public.phoenix_events as e
        where e.user_id = s.user_id and e.version = s.version and e.received_at >= (replay).since
        offset 0
      )
    )
    and (
      not (replay).only_failed
      or exists (
        select from public.phoenix_events as e
        where e.user_id = s.user_id
          and e.ai_processing_error is not null
          and ((replay).since is null or e.received_at >= (replay).since)
        offset 0
      )
    )
  order by s.user_id
  limit max_users
$$;

comment on function flywheel.replayed_streams(flywheel.replays, integer) is
  'The next streams that a replay is about, or all of them without a number: the one place that knows what was asked for.';
