create function flywheel.write_events(
  effects jsonb,
  committed uuid[],
  heads bigint[],
  told_at timestamptz
)
returns integer[]
language plpgsql
set search_path = ''
as $$
declare
  told integer[];
begin
  with telling as (
    select distinct on (e.user_id, e.effect_id) e.*, c.head
    from rows from (
      jsonb_to_recordset(effects) as (
        user_id uuid, effect_id uuid, causation_id text, correlation_id text, at bigint,
        event_type text, app_source text, payload jsonb, subject text
      )
    ) with ordinality as e (
      user_id, effect_id, causation_id, correlation_id, at, event_type, app_source, payload, subject, place
    )
    join unnest(committed, heads) as c (user_id, head)
      on c.user_id = e.user_id
    where not exists (
        select from public.phoenix_events as k where k.user_id = e.user_id and k.event_id = e.effect_id
      )
      -- A nudge that was never written has no story to tell.
      and (
        not e.payload ? 'nudge_id'
        or exists (
          select from public.phoenix_nudges_sent as n
          where n.user_id = e.user_id and n.nudge_id = (e.payload ->> 'nudge_id')::uuid
        )
      )
    order by e.user_id, e.effect_id, e.place
  ),
  appended as (
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload,
      correlation_id, causation_id, "timestamp", received_at, event_hash
    )
    select
      t.user_id,
      t.head + row_number() over (partition by t.user_id order by t.place),
      t.effect_id,
      t.event_type,
      t.app_source,
      t.payload,
      t.correlation_id,
      coalesce(t.causation_id, t.subject),
      to_timestamp(t.at / 1000.0),
      told_at,
      sha256(uuid_send(t.effect_id))
    from telling as t
    returning user_id
  )
  select array_agg(coalesce(n.told, 0) order by c.place)
  into told
  from unnest(committed) with ordinality as c (user_id, place)
  left join (select a.user_id, count(*)::integer as told from appended as a group by a.user_id) as n
    on n.user_id = c.user_id;

  return told;
end
$$;

comment on function flywheel.write_events(jsonb, uuid[], bigint[], timestamptz) is
  'Appends what the flywheel itself has to tell behind the heads of committed users'' streams, which the caller has locked and lengthens: each event once, whatever is replayed, and with its cause, which for a timer is what the event tells of. at: milliseconds since 1970. Returns how many were new, for each of the users.';
