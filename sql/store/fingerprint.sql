create function flywheel.fingerprint(
  user_id uuid,
  event_type text,
  app_source text,
  payload jsonb,
  "timestamp" timestamptz
)
returns bytea
language sql
immutable
parallel safe
set search_path = ''
return sha256(
  convert_to(
    concat_ws(
      chr(31),
      user_id::text,
      event_type,
      app_source,
      payload::text,
      extract(epoch from "timestamp")::text
    ),
    'UTF8'
  )
);

comment on function flywheel.fingerprint(uuid, text, text, jsonb, timestamptz) is
  'SHA-256 over user, type, app, canonical payload, and the publisher''s timestamp (null where it gave none), separated by the unit separator, which none of them can contain. 32 bytes.';
