create function flywheel.export_user(user_id uuid)
returns jsonb
language plpgsql
security definer
set search_path = ''
as $$
declare
  personal regclass;
  contents jsonb;
  contents_by_table jsonb := '{}';
begin
  for personal in select t from flywheel.personal_tables() as t
  loop
    execute format(
      'select coalesce(jsonb_agg(to_jsonb(p) order by p), ''[]'') from %s as p where p.user_id = $1', personal
    )
    into contents
    using export_user.user_id;
    contents_by_table := contents_by_table || jsonb_build_object(personal::text, contents);
  end loop;

  perform flywheel.record_audit('export_user', export_user.user_id, '{}');
  return contents_by_table;
end
$$;

comment on function flywheel.export_user(uuid) is
  'The right to take one''s data along: every row of a user, { table: [ rows, in the order of their columns ] }. Leaves an audit entry.';
