create extension if not exists pgcrypto with schema extensions;

-- The doorbell's voice on Supabase. Where the server has no pg_net, the sweep alone finds the work.
do $$
begin
  if exists (select from pg_available_extensions where name = 'pg_net') then
    create extension if not exists pg_net with schema extensions;
  end if;
end
$$;
