create function flywheel.least_bytes(written text)
returns integer
language sql
immutable
strict
parallel safe
set search_path = ''
return octet_length(regexp_replace(written, '("(?:[^"\\]|\\.)*")|([,:]) |(0)0+', '\1\2\3', 'g'));

comment on function flywheel.least_bytes(text) is
  'The fewest bytes in which a client can have sent what jsonb writes as this text: without the spaces that jsonb puts after commas and colons, and with each run of zeros outside of texts as one, since it may have been sent as an exponent.';
