-- A stand-in for the extension supabase_vault, with its table, view and functions. Secrets are encrypted with a key that
-- stands in a file beside the database, readable by the superuser's functions alone.
create schema if not exists vault;
grant usage on schema vault to postgres, service_role;
comment on schema vault is 'secrets, encrypted at rest';

create table if not exists vault.secrets (
  id uuid primary key default gen_random_uuid(),
  name text,
  description text not null default '',
  secret text not null,
  key_id uuid,
  nonce bytea,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index if not exists secrets_name_idx on vault.secrets (name) where name is not null;
comment on table vault.secrets is 'secrets, encrypted';
grant select, delete on vault.secrets to postgres, service_role;

create or replace function vault._encrypt(plain text)
returns text
language sql
volatile
security definer
set search_path = ''
as $$
  -- The key is random already: stretching it, as one does with passwords, would only cost time.
  select encode(
    extensions.pgp_sym_encrypt(plain, pg_read_file('vault.key'), 's2k-mode=0, cipher-algo=aes256'),
    'base64'
  )
$$;
comment on function vault._encrypt(text) is 'encrypts with the key of this database';
revoke all on function vault._encrypt(text) from public;

create or replace function vault._decrypt(encrypted text)
returns text
language sql
stable
security definer
set search_path = ''
as $$
  select extensions.pgp_sym_decrypt(decode(encrypted, 'base64'), pg_read_file('vault.key'))
$$;
comment on function vault._decrypt(text) is 'decrypts with the key of this database';
revoke all on function vault._decrypt(text) from public;
grant execute on function vault._decrypt(text) to postgres, service_role;

create or replace view vault.decrypted_secrets as
  select
    id,
    name,
    description,
    secret,
    vault._decrypt(secret) as decrypted_secret,
    key_id,
    nonce,
    created_at,
    updated_at
  from vault.secrets;
comment on view vault.decrypted_secrets is 'secrets, decrypted as they are read';
grant select on vault.decrypted_secrets to postgres, service_role;

create or replace function vault.create_secret(
  new_secret text,
  new_name text default null,
  new_description text default '',
  new_key_id uuid default null
)
returns uuid
language sql
volatile
security definer
set search_path = ''
as $$
  insert into vault.secrets (secret, name, description, key_id)
  values (vault._encrypt(new_secret), new_name, new_description, new_key_id)
  returning id
$$;
comment on function vault.create_secret(text, text, text, uuid) is 'keeps a secret';
revoke all on function vault.create_secret(text, text, text, uuid) from public;
grant execute on function vault.create_secret(text, text, text, uuid) to postgres, service_role;

create or replace function vault.update_secret(
  secret_id uuid,
  new_secret text default null,
  new_name text default null,
  new_description text default null,
  new_key_id uuid default null
)
returns void
language sql
volatile
security definer
set search_path = ''
as $$
  update vault.secrets
  set
    secret = coalesce(vault._encrypt(new_secret), secret),
    name = coalesce(new_name, name),
    description = coalesce(new_description, description),
    key_id = coalesce(new_key_id, key_id),
    updated_at = now()
  where id = secret_id
$$;
comment on function vault.update_secret(uuid, text, text, text, uuid) is 'changes what is given, keeps the rest';
revoke all on function vault.update_secret(uuid, text, text, text, uuid) from public;
grant execute on function vault.update_secret(uuid, text, text, text, uuid) to postgres, service_role;
