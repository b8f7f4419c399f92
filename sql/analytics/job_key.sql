create function flywheel.job_key(said text)
returns text
language plpgsql
immutable
parallel safe
set search_path = ''
as $$
begin
  -- The collation lowers as JavaScript does: a sigma that ends a word, too.
  return left(lower(flywheel.in_one_line(said) collate pg_catalog."und-x-icu"), 80);
end
$$;

comment on function flywheel.job_key(text) is
  'What a job is recognised by, however it is written, as jobKey() in shared/domain/reactors/profile.ts has it.';
