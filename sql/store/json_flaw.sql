create function flywheel.json_flaw(event jsonb, max_depth integer)
returns text
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  beyond_double constant jsonpath :=
    '$.** ? (@.type() == "number" && (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308))';
begin
  if jsonb_path_exists(event, format('$.**{%s}', max_depth + 1)::jsonpath) then
    return format('event=is nested more than %s levels deep', max_depth);
  elsif jsonb_path_exists(event, beyond_double) then
    return coalesce(
      (
        select nullif(left(min(f.key), 100), '')
        from jsonb_each(case when jsonb_typeof(event) = 'object' then event end) as f
        where jsonb_path_exists(f.value, beyond_double)
      ),
      'event'
    ) || '=holds a number beyond the range of a double';
  end if;
  return null;
end
$$;

comment on function flywheel.json_flaw(jsonb, integer) is
  'What keeps a publication from being stored and read back by every client, as field=message, or null: too deep a nesting, or a number that a double cannot hold.';
