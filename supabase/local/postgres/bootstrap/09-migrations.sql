-- Where the Supabase CLI records the migrations that a database has.
create schema if not exists supabase_migrations authorization postgres;
comment on schema supabase_migrations is 'the migrations that this database has';

create table if not exists supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text,
  created_by text,
  idempotency_key text,
  rollback text[]
);
create unique index if not exists schema_migrations_idempotency_key_idx
  on supabase_migrations.schema_migrations (idempotency_key);
alter table supabase_migrations.schema_migrations owner to postgres;
comment on table supabase_migrations.schema_migrations is 'a row a migration, by its timestamp';
