create function flywheel.write_nudges(effects jsonb, committed uuid[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  new_nudges bigint;
begin
  with written as (
    insert into public.phoenix_nudges_sent as n (
      user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message,
      cta_label, cta_url, causation_id, correlation_id, sent_at, expires_at,
      converted_at, expired_at, cancelled_at
    )
    select
      e.user_id, e.effect_id, e.nudge_type, e.app_source, e.target_app, e.variant, e.title, e.message,
      e.cta_label, e.cta_url, e.causation_id, e.correlation_id,
      to_timestamp(e.at / 1000.0), to_timestamp(e.expires_at / 1000.0),
      to_timestamp(e.converted_at / 1000.0), to_timestamp(e.expired_at / 1000.0), to_timestamp(e.cancelled_at / 1000.0)
    from jsonb_to_recordset(effects) as e (
      user_id uuid, effect_id uuid, nudge_type text, app_source text, target_app text, variant text, title text,
      message text, cta_label text, cta_url text, causation_id text, correlation_id text, at bigint, expires_at bigint,
      converted_at bigint, expired_at bigint, cancelled_at bigint
    )
    where e.user_id = any (committed)
      -- A backlog or a replay may reach so far back that a nudge is over before anybody could see it. If it was written before, what
      -- has become of it is written still. Looked up one by one, as in flywheel.write_events().
      and (
        to_timestamp(e.expires_at / 1000.0) > clock_timestamp()
        or exists (
          select from public.phoenix_nudges_sent as k
          where k.user_id = e.user_id and k.nudge_id = e.effect_id
          offset 0
        )
      )
    on conflict (user_id, nudge_id) do update
    set
      converted_at = coalesce(n.converted_at, excluded.converted_at),
      expired_at = coalesce(n.expired_at, excluded.expired_at),
      cancelled_at = case when n.status = 'pending' then excluded.cancelled_at else n.cancelled_at end
    where num_nonnulls(excluded.converted_at, excluded.expired_at, excluded.cancelled_at) > 0
    -- An updated row has a predecessor.
    returning n.held_out, n.xmax = 0 as is_new
  )
  select count(*) into new_nudges from written as w where w.is_new and not w.held_out;

  return new_nudges;
end
$$;

comment on function flywheel.write_nudges(jsonb, uuid[]) is
  'Writes the nudges of committed users, each once, whatever is replayed, but for those whose time was over before they were written. Times in milliseconds since 1970. Returns how many are new and not held out.';
