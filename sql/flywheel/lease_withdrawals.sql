create function flywheel.lease_withdrawals()
returns setof uuid
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
as $$
begin
  return query
  with due as (
    select w.delivery_id
    from flywheel.withdrawals as w
    where w.available_at <= statement_timestamp()
    order by w.available_at
    limit 25
    for no key update skip locked
  ),
  taken as (
    update flywheel.withdrawals as w
    set available_at = clock_timestamp() + s.lease_time
    from flywheel.settings as s, due
    where w.delivery_id = due.delivery_id
    returning w.delivery_id
  )
  select t.delivery_id from taken as t;
end
$$;

comment on function flywheel.lease_withdrawals() is
  'Takes deliveries that QStash is to forget, for settings.lease_time. Returns their ids, none where nothing is due.';
