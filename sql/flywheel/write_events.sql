create function flywheel.write_events(
  effects jsonb,
  committed uuid[],
  heads bigint[],
  ahead integer[],
  receipts timestamptz[]
)
returns integer[]
language plpgsql
set search_path = ''
as $$
declare
  told integer[] := array_fill(0, array[cardinality(committed)]);
  appended record;
begin
  for appended in
    with telling as (
      select distinct on (e.user_id, e.effect_id) e.*, array_position(committed, e.user_id) as owner
      from rows from (
        jsonb_to_recordset(effects) as (
          user_id uuid, effect_id uuid, causation_id text, correlation_id text, at bigint,
          event_type text, app_source text, payload jsonb, subject text
        )
      ) with ordinality as e (
        user_id, effect_id, causation_id, correlation_id, at, event_type, app_source, payload, subject, place
      )
      where e.user_id = any (committed)
        and not exists (
          select from public.phoenix_events as k where k.user_id = e.user_id and k.event_id = e.effect_id
        )
        -- Nothing is told of a nudge that was never written, nor that one was cancelled which was seen, or ended otherwise, before.
        -- Looked up one by one: without the offset all nudges are read.
        and (
          not e.payload ? 'nudge_id'
          or exists (
            select from public.phoenix_nudges_sent as n
            where n.user_id = e.user_id
              and n.nudge_id = (e.payload ->> 'nudge_id')::uuid
              -- It may be new, and taken back by this very commit.
              and (
                e.event_type <> 'nudge.cancelled'
                or n.status = 'pending'
                or n.cancelled_at = to_timestamp(e.at / 1000.0)
              )
            offset 0
          )
        )
      order by e.user_id, e.effect_id, e.place
    )
    insert into public.phoenix_events (
      user_id, version, event_id, event_type, app_source, payload,
      correlation_id, causation_id, "timestamp", received_at, event_hash
    )
    select
      t.user_id,
      heads[t.owner] + row_number() over (partition by t.user_id order by t.place),
      t.effect_id,
      t.event_type,
      t.app_source,
      t.payload,
      t.correlation_id,
      coalesce(t.causation_id, t.subject),
      to_timestamp(t.at / 1000.0),
      receipts[t.owner],
      sha256(uuid_send(t.effect_id))
    from telling as t
    returning array_position(committed, user_id) as owner
  loop
    told[appended.owner] := told[appended.owner] + 1;
  end loop;

  if exists (select from unnest(told, ahead) as c (told, ahead) where c.told < c.ahead) then
    raise exception 'What was folded ahead is told already, or has no story to tell.';
  end if;
  return told;
end
$$;

comment on function flywheel.write_events(jsonb, uuid[], bigint[], integer[], timestamptz[]) is
  'Appends what the flywheel itself has to tell behind the heads of committed users'' streams, which the caller has locked and lengthens: each event once, whatever is replayed, and none that a nudge''s row contradicts. Each has its cause, which for a timer is what the event tells of. ahead: how many of these events are folded already, for each of the users. receipts: when what is told of each of them counts as received. at: milliseconds since 1970. Returns how many were new, for each of the users. Raises an error where fewer are new than were folded ahead.';
