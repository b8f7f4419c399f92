-- Schema `extensions`, with the extensions that every Supabase project begins with and this server has.
create schema if not exists extensions;
grant usage on schema extensions to anon, authenticated, service_role;
grant all on schema extensions to postgres with grant option;
comment on schema extensions is 'where extensions stand, out of the way of public';

create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;
