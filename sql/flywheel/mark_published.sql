create function flywheel.mark_published(published jsonb)
returns void
language plpgsql
security definer
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
  -- The streams first, as everywhere: whatever locks several deliveries of a user has locked the stream.
  perform
  from (
    select p.user_id
    from jsonb_to_recordset(published) as p (user_id uuid)
    order by p.user_id
  ) as p
  cross join lateral (
    select from flywheel.streams as s where s.user_id = p.user_id for no key update
  ) as s;

  update flywheel.deliveries as d
  set
    published_at = clock_timestamp(),
    available_at = clock_timestamp() + s.delivery_patience
  from
    flywheel.settings as s,
    jsonb_to_recordset(published) as p (user_id uuid, delivery_id uuid)
  where d.user_id = p.user_id
    and d.delivery_id = p.delivery_id
    -- Null where its outcome was heard of first, and where it has been made due again since.
    and d.available_at is not null
    and d.configuration is not null;
end
$$;

comment on function flywheel.mark_published(jsonb) is
  'Remembers that QStash has these: [ { user_id, delivery_id } ]. They are looked at again only where it stays silent for settings.delivery_patience.';
