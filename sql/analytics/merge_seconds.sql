create function flywheel.merge_seconds(present integer[], remembered integer[], forgotten integer[])
returns integer[]
language sql
immutable
parallel safe
set search_path = ''
return array(
  (
    select s.second from unnest(present) as s (second)
    union all
    select s.second from unnest(remembered) as s (second)
  )
  except all
  select s.second from unnest(forgotten) as s (second)
  order by second
);

comment on function flywheel.merge_seconds(integer[], integer[], integer[]) is
  'Durations in ascending order, with those that are remembered, and without those that are forgotten: each as often as it is there.';
