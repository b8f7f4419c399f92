create function flywheel.export_user(user_id uuid)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  contents_by_table text;
  exported text;
begin
  select
    string_agg(
      format(
        'to_json(%L::text), '':'', (select coalesce(json_agg(p order by %s), ''[]'') from %s as p where p.user_id = $1)',
        t.personal,
        -- Not every type has an order; those of a key have.
        coalesce(
          (
            select string_agg(format('p.%I', a.attname), ', ' order by k.place)
            from pg_catalog.pg_index as i
            cross join unnest(i.indkey::smallint[]) with ordinality as k (attnum, place)
            join pg_catalog.pg_attribute as a
              on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = t.personal and i.indisprimary
          ),
          'p.user_id'
        ),
        t.personal
      ),
      ', '','', '
      order by t.place
    )
  into contents_by_table
  from flywheel.personal_tables() with ordinality as t (personal, place);

  -- In one statement, which sees one moment. As text, which may be four times as large as jsonb.
  begin
    execute format('select concat(''{'', %s, ''}'')', contents_by_table)
    into exported
    using export_user.user_id;
  exception
    when program_limit_exceeded then
      raise exception using
        errcode = 'PT413',
        message = 'All of this user is more than the gigabyte that one value can hold.',
        detail = 'export_too_large',
        hint = 'Read the largest tables by themselves, the events by flywheel.read_stream().';
  end;

  perform flywheel.record_audit('export_user', export_user.user_id, '{}');
  return exported;
end
$$;

comment on function flywheel.export_user(uuid) is
  'The right to take one''s data along: every row of a user at one moment, { table: [ rows, in the order of their primary key ] }. Leaves an audit entry. Raises PT413 export_too_large for more than a gigabyte of text.';
