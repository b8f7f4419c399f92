create function flywheel.popular_jobs(since date, least_users integer)
returns jsonb
language sql
stable
set search_path = ''
as $$
  select coalesce(jsonb_agg(j.name order by j.users desc, j.name), '[]')
  from (
    select (array_agg(k.name order by k.users desc, k.name))[1] as name, sum(k.users) as users
    from (
      select flywheel.in_one_line(w.key) as name, sum(w.users) as users
      from (
        select r.key, sum(r.count) as users
        from flywheel.current_rollups as r
        where r.figure = 'job' and r.day >= since
        group by r.key
      ) as w
      group by 1
      having sum(w.users) > 0
    ) as k
    where k.name <> ''
    -- However it is written: the name is as most write it.
    group by flywheel.job_key(k.name)
    having sum(k.users) >= least_users
    order by 2 desc, 1
    limit 5
  ) as j
$$;

comment on function flywheel.popular_jobs(date, integer) is
  'The five jobs that most users have chosen since a UTC day, each counted with the one chosen last, most first, then by name; of those that so many users have at least. However a job is written, as flywheel.job_key() says; its name in one line.';
