create function flywheel.write_activity(activity jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into flywheel.user_activity as a (user_id, cv_last_at, cv_third_last_at, letters_last_at)
  select
    r.user_id,
    timestamptz 'epoch' + (r.cv ->> -1)::bigint * interval '1 microsecond',
    timestamptz 'epoch' + (r.cv ->> -3)::bigint * interval '1 microsecond',
    timestamptz 'epoch' + (r.letters ->> -1)::bigint * interval '1 microsecond'
  from jsonb_to_recordset(activity) as r (user_id uuid, cv jsonb, letters jsonb)
  where r.user_id = any (committed)
  on conflict (user_id) do update
  set
    cv_last_at = excluded.cv_last_at,
    cv_third_last_at = excluded.cv_third_last_at,
    letters_last_at = excluded.letters_last_at;
end
$$;

comment on function flywheel.write_activity(jsonb, uuid[]) is
  'Writes what committed users did last in CV and Letters: [ { user_id, cv, letters } ], each the last times in microseconds since 1970, oldest first.';
