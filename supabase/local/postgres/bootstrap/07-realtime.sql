-- The publication whose tables Realtime would broadcast: empty, and the owner of migrations may add to it.
do $$
begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres;
  end if;
end
$$;
comment on publication supabase_realtime is 'tables whose changes Realtime broadcasts';
