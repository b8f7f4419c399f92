revoke all on function public.get_aube_metrics(integer) from public, anon, authenticated, service_role;
grant execute on function public.get_aube_metrics(integer) to service_role, phoenix_analyst;
