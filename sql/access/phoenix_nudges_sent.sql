revoke all on public.phoenix_nudges_sent from anon, authenticated, service_role;
grant select on public.phoenix_nudges_sent to authenticated, service_role;

-- What is held out is not shown: not through the API, not through Realtime.
create policy "Users read the nudges they were given" on public.phoenix_nudges_sent
for select to authenticated
using (user_id = (select auth.uid()) and not held_out);

-- Realtime tells front-ends of their user's nudges, by the policy above. Not every server has it.
do $$
begin
  if
    exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime' and not p.puballtables)
    and not exists (
      select from pg_catalog.pg_publication_tables as t
      where t.pubname = 'supabase_realtime' and t.schemaname = 'public' and t.tablename = 'phoenix_nudges_sent'
    )
  then
    alter publication supabase_realtime add table public.phoenix_nudges_sent;
  end if;
end
$$;
