-- The roles of a Supabase project. There `postgres`, as whom migrations run, is no superuser: nor is it here.
do $$
begin
  if to_regrole('postgres') is null then
    create role postgres login createdb createrole replication bypassrls;
  end if;
  if to_regrole('anon') is null then
    create role anon nologin noinherit;
  end if;
  if to_regrole('authenticated') is null then
    create role authenticated nologin noinherit;
  end if;
  if to_regrole('service_role') is null then
    create role service_role nologin noinherit bypassrls;
  end if;
  if to_regrole('authenticator') is null then
    create role authenticator login noinherit;
  end if;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres with admin option;
grant authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres with admin option;

comment on role anon is 'API requests without a user';
comment on role authenticated is 'API requests of a signed-in user';
comment on role service_role is 'API requests with a secret key';
comment on role authenticator is 'the role that the REST API logs in as, before it takes one of the three';
