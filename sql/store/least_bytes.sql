create function flywheel.least_bytes(written text)
returns integer
language sql
immutable
strict
parallel safe
set search_path = ''
return octet_length(regexp_replace(written, '("(?:[^"\\]|\\.)*")|([,:]) |(0)0+', '\1\2\3', 'g'));

comment on function flywheel.least_bytes(text) is
  'How many bytes it took at least to send what jsonb writes as this: without the spaces that it puts after commas and colons, and with one of several zeros outside of texts, for which there may have been an exponent.';
