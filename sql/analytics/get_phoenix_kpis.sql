create function public.get_phoenix_kpis(days_back integer default 30)
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  since date := flywheel.period_start(days_back);
  today date := flywheel.period_start(1);
begin
  return (
    with recent as materialized (
      select r.figure, r.key, sum(r.count)::numeric as count, sum(r.total) as total
      from flywheel.current_rollups as r
      where (
          r.figure in ('transition_asked', 'transition_taken', 'transition_time', 'products', 'revenue')
          and r.day >= since
        )
        or (r.figure = 'transition_return' and r.day between since - 30 and today - 30)
      group by r.figure, r.key
    ),
    whole as (
      select
        sum(r.count) filter (where r.figure = 'transition_asked') as asked,
        sum(r.count) filter (where r.figure = 'transition_taken') as taken,
        sum(r.total) filter (where r.figure = 'transition_time') as micros,
        sum(r.count) filter (where r.figure = 'transition_time') as timed,
        sum(r.count) filter (where r.figure = 'transition_return' and r.key = 'taken') as before,
        sum(r.count) filter (where r.figure = 'transition_return' and r.key = 'returned') as returned,
        sum(r.count) filter (where r.figure = 'products' and r.key = '1') as users,
        sum(r.count) filter (where r.figure = 'products' and r.key = '2') as users_of_several,
        sum(r.total) filter (where r.figure = 'revenue' and r.key = '1') as cents,
        sum(r.total) filter (where r.figure = 'revenue' and r.key = '2') as cents_of_several
      from recent as r
    ),
    revenue as (
      select
        coalesce(w.cents_of_several, 0) as cents_of_several,
        w.users_of_several,
        w.cents - coalesce(w.cents_of_several, 0) as cents_of_one,
        w.users - coalesce(w.users_of_several, 0) as users_of_one
      from whole as w
    )
    select jsonb_build_object(
      'transition_rate', round(coalesce(w.taken, 0) / nullif(w.asked, 0), 4),
      'avg_transition_minutes', round(w.micros / nullif(w.timed, 0) / 60000000, 2),
      'cross_app_retention_30d', round(coalesce(w.returned, 0) / nullif(w.before, 0), 4),
      -- One division: a quotient of two means would be rounded three times.
      'cross_sell_revenue_uplift', round(
        y.cents_of_several * y.users_of_one / nullif(y.cents_of_one * y.users_of_several, 0) - 1,
        4
      )
    )
    from whole as w, revenue as y
  );
end
$$;

comment on function public.get_phoenix_kpis(integer) is
  'Key figures over the last days_back UTC days (1 to 366), today included; each null where there is nothing to divide by. transition_rate: of the users for whom a transition was requested in them, the share for whom one of those was accepted, 0 to 1. avg_transition_minutes: from request to acceptance, mean of the transitions requested in them and accepted. cross_app_retention_30d: of the transitions accepted in as many days that ended 30 days ago, the share whose user was in the target app 30 days after or later, 0 to 1. cross_sell_revenue_uplift: amount_eur of subscription.activated a user of several products (aube, cv, letters, rise) in them, over that a user of just one, less 1: 0.34 is a third more.';
