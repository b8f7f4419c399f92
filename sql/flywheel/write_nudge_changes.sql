create function flywheel.write_nudge_changes(effects jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.phoenix_nudges_sent as n
  set
    converted_at = case when e.change = 'converted' then coalesce(n.converted_at, e.happened_at) else n.converted_at end,
    expired_at = case when e.change = 'expired' then coalesce(n.expired_at, e.happened_at) else n.expired_at end,
    -- One that was seen before is not taken back any more.
    cancelled_at = case when e.change = 'cancelled' and n.status = 'pending' then e.happened_at else n.cancelled_at end
  from (
    select r.user_id, r.nudge_id, r.change, to_timestamp(r.at / 1000.0) as happened_at
    from jsonb_to_recordset(effects) as r (user_id uuid, nudge_id uuid, change text, at bigint)
    where r.user_id = any (committed)
  ) as e
  where n.user_id = e.user_id and n.nudge_id = e.nudge_id;
end
$$;

comment on function flywheel.write_nudge_changes(jsonb, uuid[]) is
  'Writes what became of nudges of committed users: converted, expired or cancelled, each of which ends a nudge and so happens to it once. One that was seen is not cancelled any more. at: milliseconds since 1970.';
