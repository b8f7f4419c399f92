create function flywheel.canonical_json(value jsonb)
returns jsonb
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
declare
  written text collate "C" := value::text;
begin
  -- All of it at once, as text: to take a value apart and build it anew takes time with the square of the number of its keys.
  if written is not nfc normalized then
    -- An escape ends in a letter or a digit, which must not be composed with an accent that follows. So they are kept apart by a
    -- character that JSON text never holds as it is.
    written := replace(
      normalize(regexp_replace(written, '\\(u[0-9a-f]{4}|.)', '\&' || chr(31), 'g'), nfc),
      chr(31),
      ''
    );
  end if;
  if written ~ '\.[0-9]*0[],}]' then
    -- Zeros at the end of a fraction, but for those in texts.
    written := regexp_replace(
      written, '("(?:[^"\\]|\\.)*")|(\.[0-9]*[1-9])0+(?![0-9])|\.0+(?![0-9])', '\1\2', 'g'
    );
  end if;
  return written::jsonb;
end
$$;

comment on function flywheel.canonical_json(jsonb) is
  'The same JSON with text and keys in NFC and numbers without trailing zeros, so that equal content has equal text. Of two spellings of a key the last in jsonb''s order counts: the one with more bytes or, of two as long, the greater. Key order and number forms such as 1e0 are jsonb''s own business.';
