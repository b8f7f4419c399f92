revoke all on public.phoenix_nudges_sent from public, anon, authenticated, service_role;
grant select on public.phoenix_nudges_sent to authenticated, service_role;

-- What is held out is not shown: not through the API, not through Realtime.
create policy "Users read the nudges they were given" on public.phoenix_nudges_sent
for select to authenticated
using (user_id = (select auth.uid()) and not held_out);

-- Which nudges were sent and what became of them; not what they said.
grant select (
  user_id, nudge_id, nudge_type, app_source, target_app, variant, sent_at, shown_at, clicked_at, dismissed_at,
  converted_at, cancelled_at, expired_at, expires_at, success, held_out, status
) on public.phoenix_nudges_sent to phoenix_analyst;

create policy "Analysts read what became of nudges" on public.phoenix_nudges_sent
for select to phoenix_analyst
using (true);

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
