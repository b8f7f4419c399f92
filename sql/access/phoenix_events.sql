revoke all on public.phoenix_events from anon, authenticated, service_role;
grant select on public.phoenix_events to authenticated, service_role;

create policy "Users read their own events" on public.phoenix_events
for select to authenticated
using (user_id = (select auth.uid()));
