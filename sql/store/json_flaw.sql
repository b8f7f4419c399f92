create function flywheel.json_flaw(value jsonb, max_depth integer)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
begin
  return case
    when jsonb_path_exists(value, format('$.**{%s}', max_depth + 1)::jsonpath)
      then format('is nested more than %s levels deep', max_depth)
    when jsonb_path_exists(
      value,
      '$.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))'
    )
      then 'holds a number beyond the range of a double'
  end;
end
$$;

comment on function flywheel.json_flaw(jsonb, integer) is
  'What keeps a JSON value from being stored and read back by every client, or null: too deep a nesting, or a number that a double cannot hold.';
