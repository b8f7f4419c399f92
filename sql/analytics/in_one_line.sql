create function flywheel.in_one_line(said text)
returns text
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
  return btrim(
    regexp_replace(
      -- What turns the direction in which a text is read.
      regexp_replace(said, '[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]' collate "C", '', 'g'),
      -- JavaScript's white space, and control characters.
      '[\u0001-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+' collate "C",
      ' ',
      'g'
    )
  );
end
$$;

comment on function flywheel.in_one_line(text) is
  'A text that can stand within a message, as inOneLine() in shared/domain/reactors/profile.ts writes it.';
