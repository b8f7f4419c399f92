create function public.publish_events(events jsonb)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  publisher uuid := auth.uid();
begin
  -- The role that the API assumed, not the definer's: a user publishes as themself, whatever the body says.
  if publisher is null and coalesce(current_setting('role', true), 'none') = 'authenticated' then
    raise exception using errcode = 'PT401', message = 'Sign in first.', detail = 'unauthorized';
  end if;
  perform flywheel.refuse_endless_numbers(events);
  return flywheel.publish(events::text, publisher, was_jsonb => true)::jsonb;
end
$$;

comment on function public.publish_events(jsonb) is
  'POST events without the functions: publishes one event or { "events": [ … ] } of the signed-in user, or of any user for service_role, with the same body and the same answer. A payload that its catalogue schema refuses is set aside with its error when it is folded.';
