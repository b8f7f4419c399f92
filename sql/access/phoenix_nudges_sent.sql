revoke all on public.phoenix_nudges_sent from anon, authenticated, service_role;
grant select on public.phoenix_nudges_sent to authenticated, service_role;

create policy "Users read their own nudges" on public.phoenix_nudges_sent
for select to authenticated
using (user_id = (select auth.uid()));
