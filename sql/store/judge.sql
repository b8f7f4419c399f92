create function flywheel.judge(incoming flywheel.incoming_event[], seen_at timestamptz, dedup_window interval)
returns flywheel.verdict[]
language plpgsql
-- Not stable: it has to see what was committed until the streams were locked, whenever the caller's statement began.
volatile
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- The plan must not depend on what the tables held when it was made: always by index, one by one.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
-- What is switched off counts as so expensive that compiling would seem to pay.
set jit = off
as $$
begin
  return array(
    select
      row(
        case
          when e.event_hash is not null or a.fingerprint <> i.fingerprint then i.event_id
          else coalesce(a.first_event_id, same.event_id, f.event_id, i.event_id)
        end,
        case
          when coalesce(e.event_hash, a.fingerprint) <> i.fingerprint then 'rejected'
          when coalesce(e.event_id, a.event_id, same.event_id, f.event_id) is not null then 'duplicate'
          else 'accepted'
        end
      )::flywheel.verdict
    from unnest(incoming) with ordinality as i (
      user_id, event_id, is_id_given, event_type, app_source, payload, metadata, correlation_id, causation_id, session_id,
      "timestamp", fingerprint, issues, place
    )
    left join public.phoenix_events as e
      on e.user_id = i.user_id and e.event_id = i.event_id
    left join flywheel.aliases as a
      on a.user_id = i.user_id and a.event_id = i.event_id
    -- With a publisher's time a fingerprint counts for ever, and the log remembers it; without, for the window.
    left join public.phoenix_events as same
      on same.user_id = i.user_id
      and same."timestamp" = i."timestamp"
      and substring(same.event_hash, 1, 4) = substring(i.fingerprint, 1, 4)
      and same.event_hash = i.fingerprint
    left join flywheel.fingerprints as f
      on f.user_id = i.user_id
      and f.fingerprint = case when i."timestamp" is null then i.fingerprint end
      -- What was seen later than that is from before the clock was set back.
      and f.seen_at > judge.seen_at - dedup_window
      and f.seen_at < judge.seen_at + dedup_window
    order by i.place
  );
end
$$;

comment on function flywheel.judge(flywheel.incoming_event[], timestamptz, interval) is
  'A verdict on each of some publications, no two of which are alike, by what the log already has, in the order given. seen_at: when they are seen, from which the dedup window reaches as far back as ahead. The caller has locked their streams.';
