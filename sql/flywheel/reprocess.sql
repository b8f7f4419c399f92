create function flywheel.reprocess(
  only_user uuid default null,
  since timestamptz default null,
  only_failed boolean default false
)
returns json
language sql
security definer
set search_path = ''
as $$
  with chosen as materialized (
    select s.user_id
    from flywheel.streams as s
    where (only_user is null or s.user_id = only_user)
      and s.version > 0
      and (
        since is null
        or exists (
          select from public.phoenix_events as e
          where e.user_id = s.user_id and e.received_at >= since
        )
      )
      and (
        not only_failed
        or exists (
          select from public.phoenix_events as e
          where e.user_id = s.user_id
            and e.ai_processing_error is not null
            and (since is null or e.received_at >= since)
        )
      )
    order by s.user_id
    for no key update
  ),
  forgotten as (
    delete from flywheel.states as st using chosen as c where st.user_id = c.user_id
  ),
  rewound as (
    -- Without its token a lease that is out cannot commit any more.
    update flywheel.streams as s
    set
      processed_version = 0,
      lease_token = null,
      attempts = 0,
      wake_at = null,
      pending_since = clock_timestamp(),
      available_at = clock_timestamp()
    from chosen as c
    where s.user_id = c.user_id
    returning s.version
  )
  select json_build_object('users', count(*), 'events', coalesce(sum(r.version), 0)) from rewound as r
$$;

comment on function flywheel.reprocess(uuid, timestamptz, boolean) is
  'Sets users back so that their whole stream is folded anew: one user, those with events received since a time, those with dead letters, or all. A fold has no middle to start from, so it starts at the first event; effects are not written twice. Returns { users, events } rewound.';
