create function flywheel.figures(of_users uuid[], upto bigint[])
returns table (
  figure text,
  day date,
  app_source text,
  key text,
  count bigint,
  users bigint,
  total numeric,
  seconds integer[]
)
language plpgsql
stable
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
-- The planner cannot know how many events there will be, and a nested loop would be quadratic in them.
set enable_nestloop = off
-- Callers may have switched these off, to look up a few rows by their keys.
set enable_hashjoin = on
set enable_material = on
set jit = off
as $$
#variable_conflict use_column
begin
  return query
  with logged as materialized (
    select
      e.user_id,
      e.version,
      e.event_type,
      e.app_source,
      t.at,
      (t.at at time zone 'UTC')::date as day,
      case
        when e.event_type in (
          'métier_choisi', 'feedback.submitted', 'subscription.activated', 'transition_écosystème'
        ) then e.payload
      end as payload
    from unnest(of_users, upto) as u (user_id, version)
    -- Each user's events by the primary key, however many users there are.
    cross join lateral (
      select v.*
      from public.phoenix_events as v
      where v.user_id = u.user_id and v.version <= u.version
      offset 0
    ) as e
    cross join lateral (
      select greatest(e."timestamp", timestamptz '1900-01-01 00:00:00+00') as at
    ) as t
  ),
  beyond as (
    select c.user_id, c.app_source
    from (
      select l.user_id, l.app_source, row_number() over (partition by l.user_id order by min(l.version)) as place
      from logged as l
      group by l.user_id, l.app_source
    ) as c
    where c.place > 100 and c.app_source <> 'flywheel'
  ),
  event as materialized (
    select
      l.user_id, l.version, l.event_type, l.at, l.day, l.payload,
      case when b.app_source is null then l.app_source else 'other' end as app_source
    from logged as l
    left join beyond as b on b.user_id = l.user_id and b.app_source = l.app_source
  ),
  timed as (
    select
      e.*,
      case
        when e.app_source <> 'flywheel'
          then e.at - lag(e.at) over (partition by e.user_id, e.app_source = 'flywheel' order by e.at, e.version)
      end as since
    from event as e
  ),
  typed as materialized (
    select d.*, case when d.is_named then d.event_type else 'other' end as key
    from (
      select
        t.user_id, t.day, t.app_source, t.event_type,
        count(*) as events,
        sum(extract(epoch from t.since) * 1000000) as micros,
        bool_or(t.since is null) and t.app_source <> 'flywheel' as has_first,
        row_number() over (partition by t.user_id, t.day, t.app_source = 'flywheel' order by min(t.version)) <= 200
          or t.app_source = 'flywheel' as is_named
      from timed as t
      group by t.user_id, t.day, t.app_source, t.event_type
    ) as d
  ),
  presence as (
    select e.user_id, e.app_source, max(e.day) as last_day
    from event as e
    group by e.user_id, e.app_source
  ),
  active_week as (
    select distinct e.user_id, a.app_source, date_trunc('week', e.day::timestamp)::date as week
    from event as e
    cross join lateral (values (e.app_source), ('')) as a (app_source)
    where e.app_source <> 'flywheel'
  ),
  exploration as (
    select
      e.user_id,
      max(e.at) filter (where e.event_type = 'exploration_commencée') as begun,
      max(e.at) filter (where e.event_type = 'métier_choisi') as chosen,
      -- Of two at one instant the one that was received first comes first.
      max(e.place) filter (where e.event_type = 'exploration_commencée')
        < max(e.place) filter (where e.event_type = 'métier_choisi') as is_done
    from (
      select v.*, array[extract(epoch from v.at), v.version] as place
      from event as v
      where v.event_type in ('exploration_commencée', 'métier_choisi')
    ) as e
    group by e.user_id
  ),
  reached as (
    select e.user_id, s.step, e.event_type, min(e.at) as at
    from event as e
    join flywheel.journey_steps() as s
      on s.event_type = e.event_type
    where e.event_type <> 'transition_écosystème'
      or flywheel.transition_taken(e.payload)
      or e.payload -> 'status' = '"completed"'
    group by e.user_id, s.step, e.event_type
  ),
  path as (
    select
      r.*,
      date_trunc('week', min(r.at) filter (where r.step = 1) over of_user at time zone 'UTC')::date as week,
      max(r.step) over of_user >= 7 as has_chosen,
      r.at - lag(r.at) over in_time as since,
      lead(r.at) over in_time is null as is_last
    from reached as r
    window
      of_user as (partition by r.user_id),
      in_time as (partition by r.user_id order by r.at, r.step)
  ),
  product as (
    select
      p.user_id,
      p.last_day,
      max(p.last_day) over (partition by p.user_id) as latest_day,
      row_number() over (partition by p.user_id order by p.last_day desc) as many
    from presence as p
    where p.app_source in ('aube', 'cv', 'letters', 'rise')
  ),
  payment as (
    select y.*, max(y.day) over (partition by y.user_id) as latest_day
    from (
      select
        d.user_id,
        d.day,
        d.cents,
        d.payments,
        -- Counts alone are taken back as the window moves on.
        (count(*) filter (where d.aube) over soon > 0)::integer
        + (count(*) filter (where d.cv) over soon > 0)::integer
        + (count(*) filter (where d.letters) over soon > 0)::integer
        + (count(*) filter (where d.rise) over soon > 0)::integer as products
      -- A row a day: a window of all events finds no room in memory, and reads a year of them again for each.
      from (
        select
          e.user_id,
          e.day,
          bool_or(e.app_source = 'aube') as aube,
          bool_or(e.app_source = 'cv') as cv,
          bool_or(e.app_source = 'letters') as letters,
          bool_or(e.app_source = 'rise') as rise,
          count(p.cents) as payments,
          sum(p.cents) as cents
        from event as e
        cross join lateral (
          select case
            when e.event_type = 'subscription.activated' then flywheel.hundredths_in(e.payload -> 'amount_eur', 0, 1000000)
          end as cents
        ) as p
        where e.app_source in ('aube', 'cv', 'letters', 'rise')
          or e.event_type = 'subscription.activated' and e.app_source <> 'flywheel'
        group by e.user_id, e.day
      ) as d
      window soon as (
        partition by d.user_id order by d.day range between current row and interval '366 days' following
      )
    ) as y
    where y.payments > 0
  ),
  transition as (
    select
      e.user_id,
      e.version,
      e.at,
      e.day,
      case when e.app_source = 'flywheel' then flywheel.text_in(e.payload -> 'transition_id', 200) end as transition_id,
      coalesce(e.payload -> 'status', 'null') as status,
      flywheel.transition_target(e.payload) as target,
      flywheel.transition_taken(e.payload) as is_taken
    from event as e
    where e.event_type = 'transition_écosystème'
  ),
  told as (
    select
      t.*,
      lag(t.status) over story as status_before,
      lag(t.at) over story as asked_at,
      (lag(t.at) over story at time zone 'UTC')::date as asked_on
    from transition as t
    where t.transition_id is not null
      and t.status in ('"requested"', '"accepted"', '"rejected"', '"expired"')
    window story as (partition by t.user_id, t.transition_id order by t.version)
  ),
  taken as (
    select t.* from told as t where t.status = '"accepted"' and t.status_before = '"requested"'
  )

  select
    'event', t.day, t.app_source, t.key,
    sum(t.events)::bigint, count(*) filter (where t.is_named), coalesce(sum(t.micros), 0), null::integer[]
  from typed as t
  group by t.day, t.app_source, t.key
  union all
  select 'first_event', t.day, t.app_source, t.key, count(*), 0, 0, null
  from typed as t
  where t.has_first
  group by t.day, t.app_source, t.key
  union all
  select 'retention', w.cohort, w.app_source, ((w.week - w.cohort) / 7)::text, count(*), 0, 0, null
  from (
    select a.*, min(a.week) over (partition by a.user_id, a.app_source) as cohort from active_week as a
  ) as w
  group by w.cohort, w.app_source, (w.week - w.cohort) / 7
  union all
  select 'last_event', p.last_day, p.app_source, '', count(*), 0, 0, null
  from presence as p
  group by p.last_day, p.app_source
  union all
  select 'last_event', u.last_day, '', '', count(*), 0, 0, null
  from (select max(p.last_day) as last_day from presence as p group by p.user_id) as u
  group by u.last_day
  union all
  select 'exploring', (x.begun at time zone 'UTC')::date, '', '', count(*), 0, 0, null
  from exploration as x
  where x.begun is not null
  group by 2
  union all
  select 'exploration_completed', (least(x.begun, x.chosen) at time zone 'UTC')::date, '', '', count(*), 0, 0, null
  from exploration as x
  where x.begun is not null and x.chosen is not null
  group by 2
  union all
  select
    'exploration_time', (x.begun at time zone 'UTC')::date, '', '',
    count(*), 0, sum(extract(epoch from x.chosen - x.begun) * 1000000), null
  from exploration as x
  where x.is_done
  group by 2
  union all
  select
    'step', p.week, '', p.event_type, count(*), 0, 0,
    array_agg(s.seconds order by s.seconds) filter (where s.seconds is not null)
  from path as p
  cross join lateral (
    select case
      when p.step > 1 and p.since is not null then least(floor(extract(epoch from p.since)), 2147483647)::integer
    end as seconds
  ) as s
  where p.week is not null
  group by p.week, p.event_type
  union all
  select 'exit', p.week, '', p.event_type, count(*), 0, 0, null
  from path as p
  where p.week is not null and p.is_last and not p.has_chosen
  group by p.week, p.event_type
  union all
  select 'job', c.day, '', c.job, count(*), 0, 0, null
  from (
    select distinct on (e.user_id) e.day, flywheel.text_in(e.payload -> 'métier', 100) as job
    from event as e
    where e.event_type = 'métier_choisi'
    order by e.user_id, e.at desc, e.version desc
  ) as c
  where c.job is not null
  group by c.day, c.job
  union all
  select
    'satisfaction', e.day, e.app_source, '',
    count(*), 0, sum(flywheel.hundredths_in(e.payload -> 'satisfaction', 1, 5)), null
  from event as e
  where e.event_type = 'feedback.submitted'
    and flywheel.hundredths_in(e.payload -> 'satisfaction', 1, 5) is not null
  group by e.day, e.app_source
  union all
  select 'products', p.last_day, '', p.many::text, count(*), 0, 0, null
  from product as p
  where p.many <= 2
  group by p.last_day, p.many
  union all
  select 'revenue', least(y.day, p.last_day), '', p.many::text, sum(y.payments)::bigint, 0, sum(y.cents), null
  from payment as y
  join product as p on p.user_id = y.user_id and p.many <= 2
  where p.many <= y.products or y.day > greatest(y.latest_day, p.latest_day) - 367
  group by 2, p.many
  union all
  select 'transition', t.day, '', '', count(*), 0, 0, null
  from transition as t
  where t.is_taken
  group by t.day
  union all
  select 'transition_asked', u.day, '', '', count(*), 0, 0, null
  from (select max(t.day) as day from told as t where t.status = '"requested"' group by t.user_id) as u
  group by u.day
  union all
  select 'transition_taken', u.day, '', '', count(*), 0, 0, null
  from (select max(t.asked_on) as day from taken as t group by t.user_id) as u
  group by u.day
  union all
  select
    'transition_time', t.asked_on, '', '', count(*), 0, sum(extract(epoch from t.at - t.asked_at) * 1000000), null
  from taken as t
  where t.at >= t.asked_at
  group by t.asked_on
  union all
  select 'transition_return', t.day, '', 'taken', count(*), 0, 0, null
  from taken as t
  group by t.day
  union all
  select 'transition_return', t.day, '', 'returned', count(*), 0, 0, null
  from taken as t
  join presence as p
    on p.user_id = t.user_id and p.app_source = t.target and p.last_day >= t.day + 30
  group by t.day;
end
$$;

comment on function flywheel.figures(uuid[], bigint[]) is
  'What the log says of users up to a version of each: the definition of every figure in the rollups.

Days are UTC days and weeks begin on Monday; an event counts on the day on which it happened, or in 1900 if it is said to have happened before. What happened counts, whatever the reactors made of it, but for payloads: a text or number that cannot be right is left out. App flywheel, as which the flywheel tells what it did, is an app in event, first_event and last_event alone. Of one user 100 apps, the first by version, count by their names, and of a day 200 types of event in these, again the first by version; those beyond are app other, and type other of their app. What the flywheel tells is not bounded.

event (day, app, type): events; users: how many, each for the first 200 apps and types of their day, and for all that the flywheel tells; total: microseconds since each user''s event before, of any app; none for the flywheel''s.
first_event (day, app, type): users whose first event it is, which so has none before; none for the flywheel''s.
last_event (day, app or all): users whose last event happened that day. All users of a period that ends today have theirs in it.
retention (week, app or all, weeks later): users whose first event happened in that week and who were there that many weeks later.
exploring (day): users whose last exploration_commencée happened that day.
exploration_completed (day): users with both, by the earlier of their last exploration_commencée and their last métier_choisi.
exploration_time (day of exploration_commencée): users whose last métier_choisi comes after it, at one instant by version; total: microseconds between the two.
step (week, step): users whose first exploration_commencée happened in that week and who reached the step, ever; seconds: from the step that each reached before it, in the order of the first time of each. A transition is reached when it is taken.
exit (week, step): of these the users who have not chosen a job, by the step that they reached last.
job (day, métier): users by the last day on which they chose a job, and the job, where that has a name of 100 characters at most. satisfaction (day, app): feedback.submitted events with one; total: hundredths.
products (day, 1 or 2): users by the last day in the product that they used last, or last but one; products are aube, cv, letters and rise.
revenue (day, 1 or 2): subscription.activated events with amount_eur, but for the flywheel''s, by the earlier of their day and that last day; total: cents. One whose user uses no product, or not two, in the 366 days after it counts until they have paid or used one later than that: no period reaches further back.
transition (day): transitions that were taken: transition_écosystème events that say accepted, or neither a status nor an app.
transition_asked, transition_taken (day): users by the last day on which one was requested, and on which one was requested that was accepted. Here and below transitions are those that the flywheel tells of.
transition_time (day of the request): transitions accepted, but not before they were requested, as by a clock that was set back in between; total: microseconds from request to acceptance.
transition_return (day of acceptance, taken or returned): transitions accepted, and those whose user was in the target app 30 days later or after.';
