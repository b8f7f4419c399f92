revoke all on function public.get_phoenix_ecosystem_stats(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_phoenix_ecosystem_stats(integer) to service_role, phoenix_analyst;
