revoke all on public.phoenix_nudge_opportunities from public, anon, authenticated, service_role;
grant select on public.phoenix_nudge_opportunities to authenticated, service_role, phoenix_analyst;
grant execute on function flywheel.recent_time(), flywheel.is_held_out(uuid, text, timestamptz) to authenticated, service_role, phoenix_analyst;
