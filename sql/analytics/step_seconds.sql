create function flywheel.step_seconds(since date)
returns table (week date, event_type text, seconds integer[])
language plpgsql
stable
set search_path = ''
as $$
begin
  if not exists (select from flywheel.rollup_increments) then
    return query
    select r.day, r.key, r.seconds
    from flywheel.rollups as r
    where r.figure = 'step' and r.day >= since and r.seconds is not null;
    return;
  end if;

  return query
  select
    coalesce(r.day, c.day),
    coalesce(r.key, c.key),
    case
      when c.day is null then r.seconds
      else flywheel.merge_seconds(r.seconds, c.remembered, c.forgotten)
    end
  from (
    select b.day, b.key, b.seconds from flywheel.rollups as b where b.figure = 'step' and b.day >= since
  ) as r
  full join (
    select
      p.day,
      p.key,
      array_agg(p.second) filter (where p.is_remembered) as remembered,
      array_agg(p.second) filter (where not p.is_remembered) as forgotten
    from flywheel.pending_seconds as p
    where p.figure = 'step' and p.day >= since
    group by p.day, p.key
  ) as c
    on c.day = r.day and c.key = r.key;
end
$$;

comment on function flywheel.step_seconds(date) is
  'The durations of Aube''s steps by the users'' week, from a week on: in ascending order, with those that are not merged yet.';
