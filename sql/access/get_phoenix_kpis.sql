revoke all on function public.get_phoenix_kpis(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_kpis(integer) to service_role, phoenix_analyst;
