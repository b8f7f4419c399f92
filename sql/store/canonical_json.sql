create function flywheel.canonical_json(value jsonb)
returns jsonb
language plpgsql
immutable
strict
parallel safe
set search_path = ''
as $$
begin
  case jsonb_typeof(value)
    when 'string' then
      return to_jsonb(normalize(value #>> '{}', nfc));
    when 'number' then
      return to_jsonb(trim_scale((value #>> '{}')::numeric));
    when 'array' then
      return (
        select coalesce(jsonb_agg(flywheel.canonical_json(e.value) order by e.ordinality), '[]')
        from jsonb_array_elements(value) with ordinality as e
      );
    when 'object' then
      return (
        select coalesce(jsonb_object_agg(normalize(e.key, nfc), flywheel.canonical_json(e.value)), '{}')
        from jsonb_each(value) as e
      );
    else
      return value;
  end case;
end
$$;

comment on function flywheel.canonical_json(jsonb) is
  'The same JSON with text and keys in NFC and numbers without trailing zeros, so that equal content has equal text. Of two spellings of a key the last in jsonb''s order counts: the one with more bytes, of as many the greater. Key order and number forms such as 1e0 are jsonb''s own business.';
