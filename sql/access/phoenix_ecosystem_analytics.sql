revoke all on public.phoenix_ecosystem_analytics from public, anon, authenticated, service_role;
grant select on public.phoenix_ecosystem_analytics to authenticated, service_role, phoenix_analyst;
