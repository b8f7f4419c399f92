create function flywheel.says(value jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = ''
-- JavaScript's white space, as trim() takes it away.
return coalesce(value #>> '{}', '')
  ~ '[^\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]' collate "C";

comment on function flywheel.says(jsonb) is
  'Whether a value of a payload says something: a field left blank is as one left out.';
