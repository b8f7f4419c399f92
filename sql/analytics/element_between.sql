create function flywheel.element_between(ascending integer[], place double precision)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
declare
  below integer := ascending[floor(place)::integer];
begin
  return below + (ascending[ceil(place)::integer] - below) * (place - floor(place));
end
$$;

comment on function flywheel.element_between(integer[], double precision) is
  'The element of an array in ascending order at a place, from 1; between two places proportionally between the two.';
