create function flywheel.write_dead_letters(set_aside jsonb, committed uuid[])
returns void
language plpgsql
set search_path = ''
as $$
begin
  update public.phoenix_events as e
  set ai_processing_error = s.error
  from jsonb_to_recordset(set_aside) as s (user_id uuid, version bigint, error text)
  where e.user_id = s.user_id and e.version = s.version and s.user_id = any (committed);
end
$$;

comment on function flywheel.write_dead_letters(jsonb, uuid[]) is
  'Marks the events that committed users leave behind: [ { user_id, version, error } ]. A null error heals one set aside before.';
