revoke all on function public.publish_events(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.publish_events(jsonb) to authenticated, service_role;
