create function flywheel.personal_tables()
returns setof regclass
language sql
stable
set search_path = ''
as $$
  select c.oid::regclass
  from pg_catalog.pg_class as c
  join pg_catalog.pg_attribute as a
    on a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped
  where c.relnamespace in ('public'::regnamespace, 'flywheel'::regnamespace)
    and c.relkind in ('r', 'p')
    and not c.relispartition
  order by c.relname
$$;

comment on function flywheel.personal_tables() is
  'Every table that says whose its rows are, from the catalog, so that a table added later is neither left out of an erasure nor of an export.';
