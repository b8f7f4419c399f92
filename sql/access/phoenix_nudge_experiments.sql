revoke all on public.phoenix_nudge_experiments from public, anon, authenticated, service_role;
grant select on public.phoenix_nudge_experiments to authenticated, service_role, phoenix_analyst;

-- A view with its caller's rights needs them on the functions that it calls, too.
grant execute on function
  flywheel.nudge_experiments(timestamptz),
  flywheel.two_proportion_p_value(bigint, bigint, bigint, bigint)
to authenticated, service_role, phoenix_analyst;
