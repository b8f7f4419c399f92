create function flywheel.add_figures(
  of_users uuid[],
  upto bigint[],
  times integer,
  wanted text[] default null
)
returns void
language sql
set search_path = ''
as $$
  insert into flywheel.rollup_increments (increments)
  select
    jsonb_agg(
      jsonb_build_array(
        f.figure, f.day - date '1970-01-01', f.app_source, f.key, times * f.count, times * f.users, times * f.total
      )
      || case
        when f.seconds is null then '[]'
        when times > 0 then jsonb_build_array(f.seconds, '{}'::integer[])
        else jsonb_build_array('{}'::integer[], f.seconds)
      end
    )
  from flywheel.figures(of_users, upto, wanted) as f
  having count(*) > 0
$$;

comment on function flywheel.add_figures(uuid[], bigint[], integer, text[]) is
  'Adds (times 1) to the rollups, or takes from them (times -1), what the log says of users up to a version of each. wanted: some figures, or null for all.';
