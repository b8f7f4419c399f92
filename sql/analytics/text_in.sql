create function flywheel.text_in(value jsonb, most integer)
returns text
language sql
immutable
parallel safe
set search_path = ''
return case
  when jsonb_typeof(value) = 'string' and length(value #>> '{}') between 1 and most then value #>> '{}'
end;

comment on function flywheel.text_in(jsonb, integer) is
  'A payload''s text where it is one of 1 to that many characters, else null.';
