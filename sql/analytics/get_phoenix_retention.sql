create function public.get_phoenix_retention(weeks_back integer default 13)
returns table (
  app_source text,
  cohort_week date,
  weeks_later integer,
  users bigint,
  retention numeric
)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
declare
  since date := flywheel.first_week(weeks_back);
begin
  return query
  select
    nullif(c.app_source, ''),
    c.cohort_week,
    c.weeks_later,
    c.users,
    round(c.users::numeric / first_value(c.users) over (partition by c.app_source, c.cohort_week order by c.weeks_later), 4)
  from (
    select r.app_source, r.day as cohort_week, r.key::integer as weeks_later, sum(r.count)::bigint as users
    from flywheel.current_rollups as r
    where r.figure = 'retention' and r.day >= since
    group by r.app_source, r.day, r.key
    having sum(r.count) > 0
  ) as c
  order by c.app_source, c.cohort_week, c.weeks_later;
end
$$;

comment on function public.get_phoenix_retention(integer) is
  'Who comes back: for each app, and across all of them where app_source is null, the users whose first event ever happened in a week of the last weeks_back (1 to 53; UTC, from Monday), this one included, and how many of them were there so many weeks later. users: with any event in that week. retention: as a share of the cohort, 0 to 1. A week without any of them has no row. What the flywheel itself tells is no presence.';
