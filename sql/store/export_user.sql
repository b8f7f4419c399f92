create function flywheel.export_user(user_id uuid)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  personal regclass;
  contents text;
  contents_by_table text[] := '{}';
begin
  for personal in select t from flywheel.personal_tables() as t
  loop
    execute format(
      'select coalesce(json_agg(p order by %s), ''[]'') from %s as p where p.user_id = $1',
      -- Not every type has an order; those of a key have.
      coalesce(
        (
          select string_agg(format('p.%I', a.attname), ', ' order by k.place)
          from pg_catalog.pg_index as i
          cross join unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
          join pg_catalog.pg_attribute as a
            on a.attrelid = i.indrelid and a.attnum = k.attnum
          where i.indrelid = personal and i.indisprimary
        ),
        'p.user_id'
      ),
      personal
    )
    into contents
    using export_user.user_id;
    contents_by_table := contents_by_table || concat(to_json(personal::text), ':', contents);
  end loop;

  perform flywheel.record_audit('export_user', export_user.user_id, '{}');
  -- As text, which may be four times as large as jsonb.
  return concat('{', array_to_string(contents_by_table, ','), '}');
end
$$;

comment on function flywheel.export_user(uuid) is
  'The right to take one''s data along: every row of a user, { table: [ rows, in the order of their primary key ] }. Leaves an audit entry.';
