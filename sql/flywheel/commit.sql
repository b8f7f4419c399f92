create function flywheel.commit(
  token uuid,
  shape text,
  results jsonb,
  states json,
  effects jsonb,
  increments text default null,
  leased_at bigint default null
)
returns json
language plpgsql
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set jit = off
as $$
declare
  committed_at timestamptz;
  committed uuid[];
  heads bigint[];
  counted bigint[];
  versions bigint[];
  wakes timestamptz[];
  failed boolean[];
  late boolean[];
  ahead integer[];
  receipts timestamptz[];
  overtaken uuid[];
  told integer[];
  upto bigint[];
  nudges bigint := 0;
  transitions bigint := 0;
begin
  -- Who has failed waits by the settings, and as in flywheel.extend() no lower ones come until this is committed.
  if results @> '[{"failed": true}]' then
    perform pg_advisory_xact_lock_shared(hashtextextended('flywheel.waits', 0));
  end if;

  -- Locked in the order in which publications lock, so that the two cannot deadlock.
  select
    array_agg(h.user_id) filter (where h.is_current),
    array_agg(h.head) filter (where h.is_current),
    array_agg(h.counted_version) filter (where h.is_current),
    array_agg(h.version) filter (where h.is_current),
    array_agg(case when h.is_postponed then h.counted_version else greatest(h.counted_version, h.version) end)
      filter (where h.is_current),
    array_agg(case when h.is_postponed then least(h.wake_at, h.count_at) else h.wake_at end) filter (where h.is_current),
    array_agg(h.failed) filter (where h.is_current),
    array_agg(h.late) filter (where h.is_current),
    array_agg(h.ahead) filter (where h.is_current),
    array_agg(h.receipt) filter (where h.is_current),
    array_agg(h.user_id) filter (where not h.is_current)
  into committed, heads, counted, versions, upto, wakes, failed, late, ahead, receipts, overtaken
  from (
    select
      r.*,
      s.version as head,
      s.counted_version,
      s.count_at,
      -- What was folded ahead counts as received when it was leased; the stream has reached that time, and nothing came since.
      case
        when r.ahead > 0 then timestamptz 'epoch' + leased_at * interval '1 microsecond'
        when s.reached_at < clock_timestamp() then clock_timestamp()
        else flywheel.received_after(s.reached_at)
      end as receipt,
      coalesce(r.ahead, 0) = 0 or s.version + r.ahead = r.version as is_current,
      -- To count from the log takes its time. At the end of a short stream it is done at once; otherwise a while after the first late
      -- event, so that all of it costs little beside the folding.
      r.late and s.count_at > clock_timestamp() and (r.version < s.version or r.version > 2000) as is_postponed
    from (
      select f.*
      from jsonb_to_recordset(results)
        as f (user_id uuid, version bigint, wake_at timestamptz, failed boolean, late boolean, ahead integer)
      order by f.user_id
    ) as r
    -- Looked up one by one: a join may read all streams in their order, to spare itself the sorting.
    cross join lateral (
      select
        l.version,
        l.counted_version,
        l.reached_at,
        -- A user who is not wholly counted yet is woken for that at wake_at, unless a clock wrote it that was set back since.
        least(
          case when l.counted_version < l.processed_version then l.wake_at end,
          clock_timestamp() + greatest(interval '10 seconds', r.version * interval '1 millisecond')
        ) as count_at
      from flywheel.streams as l
      where l.user_id = r.user_id and l.lease_token = commit.token
      for no key update
    ) as s
  ) as h;

  committed_at := clock_timestamp();
  if overtaken is not null then
    -- What was folded ahead is not what comes next: those users are folded anew.
    update flywheel.streams as s
    set lease_token = null, available_at = committed_at
    where s.user_id = any (overtaken);
  end if;
  -- The increments are sums over all users who were folded: they do not hold if one is left out.
  if committed is null or increments is not null and cardinality(committed) < jsonb_array_length(results) then
    return json_build_object(
      'users', '[]'::json,
      'held', coalesce(to_json(committed), '[]'),
      'overtaken', coalesce(cardinality(overtaken), 0),
      'nudges', 0,
      'transitions', 0
    );
  end if;
  perform set_config('flywheel.quiet_until', 'Infinity', true);

  -- Effects are rare: each kind has its writer, called where there is something to write. What the flywheel itself tells
  -- lengthens the streams, so it comes before their rows, which are written once; and a nudge before what tells of it.
  if effects ? 'nudge' then
    nudges := flywheel.write_nudges(effects -> 'nudge', committed);
  end if;
  if effects ? 'event' then
    told := flywheel.write_events(effects -> 'event', committed, heads, ahead, receipts);
  end if;

  update flywheel.streams as s
  set
    version = r.head,
    processed_version = r.version,
    folded_version = greatest(s.folded_version, r.version),
    counted_version = r.upto,
    lease_token = null,
    wake_at = r.wake_at,
    reached_at = case when r.told > 0 then greatest(s.reached_at, r.receipt) else s.reached_at end,
    -- A failure beyond the first event of the lease is that event's first one.
    attempts = case
      when not r.failed then 0
      when r.version > s.processed_version then 1
      else s.attempts
    end,
    pending_since = case
      -- What a replay set back has waited since the replay, however long ago it was received.
      when r.version < s.folded_version then coalesce(s.pending_since, committed_at)
      when r.version < r.head then coalesce(next.received_at, committed_at)
    end,
    available_at = case
      when r.failed then committed_at + flywheel.backoff(
        case when r.version > s.processed_version then 1 else s.attempts end
      )
      when r.version < r.head then committed_at
      else r.wake_at
    end
  from (
    select c.user_id, c.head + coalesce(c.told, 0) as head, c.told, c.receipt, c.version, c.upto, c.wake_at, c.failed
    from unnest(committed, heads, told, receipts, versions, upto, wakes, failed)
      as c (user_id, head, told, receipt, version, upto, wake_at, failed)
  ) as r
  left join public.phoenix_events as next
    on next.user_id = r.user_id and next.version = r.version + 1
  where s.user_id = r.user_id;

  -- json_each() reads every escape, and so refuses what jsonb would: NUL and halves of characters.
  insert into flywheel.states as st (user_id, shape, state)
  select s.key::uuid, commit.shape, s.value
  from json_each(states) as s
  where s.key::uuid = any (committed)
  on conflict (user_id) do update
  set shape = excluded.shape, state = excluded.state;

  perform flywheel.write_increments(increments, committed, counted, upto, late);

  if effects ? 'set_aside' then
    perform flywheel.write_dead_letters(effects -> 'set_aside', committed);
  end if;
  if effects ? 'activity' then
    perform flywheel.write_activity(
      effects -> 'activity',
      array(select c.user_id from unnest(committed, versions, upto) as c (user_id, version, upto) where c.upto >= c.version)
    );
  end if;
  if effects ? 'nudge_change' then
    perform flywheel.write_nudge_changes(effects -> 'nudge_change', committed);
  end if;
  if effects ? 'expiry' then
    perform flywheel.write_expiries(effects -> 'expiry', committed);
  end if;
  if effects ? 'transition' then
    transitions := flywheel.write_transitions(effects -> 'transition', committed);
  end if;

  perform set_config('flywheel.quiet_until', '', true);
  return json_build_object(
    'users', to_json(committed),
    'held', '[]'::json,
    'overtaken', coalesce(cardinality(overtaken), 0),
    'nudges', nudges,
    'transitions', transitions
  );
end
$$;

comment on function flywheel.commit(uuid, text, jsonb, json, jsonb, text, bigint) is
  'Writes what a worker folded, in one transaction: checkpoints, states of that shape, effects. Users whose lease is no longer the token''s are refused whole, with all their effects. If there are increments, which are sums over all users, nothing is then written for anybody, and the users whose lease still is the token''s come back as held. results: [ { user_id, version, wake_at, failed, late: whether increments hold nothing of the user, who is counted from the log, now or with a later commit, ahead: how many of the events up to that version are not in the log yet, but are the user''s first effects of kind event } ]. A user for whom something was folded ahead, and who has published meanwhile, is refused whole as well. states: { <user_id>: state }. effects: { <kind>: [ { user_id, effect_id, causation_id, correlation_id, at (ms), … } ], set_aside: [ { user_id, version, error } ], activity: [ { user_id, cv, letters } ] }, each written once, whatever is replayed. increments: what all of them add to the rollups. leased_at: microseconds since 1970, when what was folded ahead counts as received. Returns { users: [ ids committed ], held: [ ids to be committed once more, without the others ], overtaken: how many had gone on meanwhile, nudges, transitions: how many were new }.';
