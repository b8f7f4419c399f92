create function flywheel.hundredths_in(value jsonb, least_value double precision, most_value double precision)
returns bigint
language sql
stable
parallel safe
set search_path = ''
return case
  when jsonb_typeof(value) <> 'number' then null
  -- What is too small for a double is 0 in JavaScript, while to cast it is an error; what is too large nobody can publish.
  when not pg_input_is_valid(value #>> '{}', 'double precision') then case when 0 between least_value and most_value then 0 end
  when value::double precision between least_value and most_value then floor(value::double precision * 100 + 0.5)
end;

comment on function flywheel.hundredths_in(jsonb, double precision, double precision) is
  'A payload''s number in whole hundredths, half a hundredth rounded up, where it is one within bounds, else null.';
