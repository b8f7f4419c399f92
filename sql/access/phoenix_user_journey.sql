revoke all on public.phoenix_user_journey from public, anon, authenticated, service_role;
grant select on public.phoenix_user_journey to authenticated, service_role, phoenix_analyst;
