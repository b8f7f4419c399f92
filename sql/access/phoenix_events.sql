revoke all on public.phoenix_events from public, anon, authenticated, service_role;
grant select on public.phoenix_events to authenticated, service_role;

create policy "Users read their own events" on public.phoenix_events
for select to authenticated
using (user_id = (select auth.uid()));

-- What happened when, and to whom; not what was said about it.
grant select (user_id, version, event_type, app_source, "timestamp", received_at) on public.phoenix_events to phoenix_analyst;

create policy "Analysts read what happened" on public.phoenix_events
for select to phoenix_analyst
using (true);
