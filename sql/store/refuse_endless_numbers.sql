create function flywheel.refuse_endless_numbers(sent jsonb)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if jsonb_path_exists(
    sent,
    '$.** ? (@.type() == "number") ? (@ != 0 && (@.abs() > 1e400 || @.abs() < 1e-400))'
  ) then
    raise exception using
      errcode = 'PT413', message = 'A number of the publication is too long when written out.', detail = 'body_too_large';
  end if;
end
$$;

comment on function flywheel.refuse_endless_numbers(jsonb) is
  'Raises PT413 body_too_large for a number of a few characters that would be hundreds or thousands of them when written out, such as 1e-9999: before anything writes it out.';
