revoke all on public.phoenix_transitions from public, anon, authenticated, service_role;
grant select on public.phoenix_transitions to authenticated, service_role;

create policy "Users read their own transitions" on public.phoenix_transitions
for select to authenticated
using (user_id = (select auth.uid()));
