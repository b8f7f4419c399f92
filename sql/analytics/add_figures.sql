create function flywheel.add_figures(of_users uuid[], upto bigint[], times integer)
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
  -- A list of JSON ends at 256 MB, and one user may have used a million words.
  from (select f.*, row_number() over () / 10000 as piece from flywheel.figures(of_users, upto) as f) as f
  group by f.piece
$$;

comment on function flywheel.add_figures(uuid[], bigint[], integer) is
  'Adds (times 1) to the rollups, or takes from them (times -1), what the log says of users up to a version of each.';
