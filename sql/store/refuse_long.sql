create function flywheel.refuse_long(written text, settings flywheel.settings)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
  if octet_length(written) > 2 * settings.max_batch_bytes then
    raise exception using
      errcode = 'PT413',
      message = format('A publication holds %s bytes at most with its numbers written out.', 2 * settings.max_batch_bytes),
      detail = 'body_too_large';
  end if;
end
$$;

comment on function flywheel.refuse_long(text, flywheel.settings) is
  'Raises PT413 body_too_large where a publication is more than twice settings.max_batch_bytes as jsonb writes it: a number such as 1e300 is small until it is written out, here and for everyone who reads it.';
