-- The publication whose tables Realtime would broadcast: empty, and the owner of migrations may add to it.
do $$
begin
  -- The server would warn that its wal_level is too low for subscribers, of which there are none here.
  set local log_min_messages = error;
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres;
  end if;
  set local log_min_messages = warning;
end
$$;
comment on publication supabase_realtime is 'tables whose changes Realtime broadcasts';
