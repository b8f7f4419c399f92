create function flywheel.write_nudges(effects jsonb, committed uuid[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  new_nudges bigint;
begin
  with written as (
    insert into public.phoenix_nudges_sent (
      user_id, nudge_id, nudge_type, app_source, target_app, variant, title, message,
      cta_label, cta_url, causation_id, correlation_id, sent_at, expires_at
    )
    select
      e.user_id, e.effect_id, e.nudge_type, e.app_source, e.target_app, e.variant, e.title, e.message,
      e.cta_label, e.cta_url, e.causation_id, e.correlation_id,
      to_timestamp(e.at / 1000.0), to_timestamp(e.expires_at / 1000.0)
    from jsonb_to_recordset(effects) as e (
      user_id uuid, effect_id uuid, nudge_type text, app_source text, target_app text, variant text, title text,
      message text, cta_label text, cta_url text, causation_id text, correlation_id text, at bigint, expires_at bigint
    )
    where e.user_id = any (committed)
      -- A backlog or a replay may reach so far back that a nudge is over before anybody could see it.
      and to_timestamp(e.expires_at / 1000.0) > clock_timestamp()
    on conflict do nothing
    returning held_out
  )
  select count(*) into new_nudges from written as w where not w.held_out;

  return new_nudges;
end
$$;

comment on function flywheel.write_nudges(jsonb, uuid[]) is
  'Writes the nudges of committed users, each once, whatever is replayed, but for those whose time is over. Times in milliseconds since 1970. Returns how many are new and not held out.';
