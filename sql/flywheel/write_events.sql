create function flywheel.write_events(effects jsonb, committed uuid[])
returns void
language sql
security definer
set search_path = ''
as $$
  select count(*)
  from flywheel.append_events(
    array(
      select
        row(
          e.ord,
          e.user_id,
          e.effect_id,
          e.event_type,
          e.app_source,
          e.payload,
          '{}',
          e.correlation_id,
          coalesce(e.causation_id, e.subject),
          null,
          to_timestamp(e.at / 1000.0),
          sha256(uuid_send(e.effect_id)),
          '{}'
        )::flywheel.incoming_event
      from rows from (
        jsonb_to_recordset(effects) as (
          user_id uuid, effect_id uuid, causation_id text, correlation_id text, at bigint,
          event_type text, app_source text, payload jsonb, subject text
        )
      ) with ordinality as e (
        user_id, effect_id, causation_id, correlation_id, at, event_type, app_source, payload, subject, ord
      )
      where e.user_id = any (committed)
        -- A nudge that was never written has no story to tell.
        and (
          not e.payload ? 'nudge_id'
          or exists (
            select from public.phoenix_nudges_sent as n
            where n.user_id = e.user_id and n.nudge_id = (e.payload ->> 'nudge_id')::uuid
          )
        )
      order by e.ord
    ),
    '0'
  )
$$;

comment on function flywheel.write_events(jsonb, uuid[]) is
  'Appends what the flywheel itself has to tell to the streams of committed users, which the caller has locked: each event once, whatever is replayed, and with its cause, which for a timer is what the event tells of. at: milliseconds since 1970.';
