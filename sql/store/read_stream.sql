create function flywheel.read_stream(
  owner uuid,
  from_version bigint default null,
  backwards boolean default false,
  max_events integer default 100
)
returns setof public.phoenix_events
language sql
stable
security definer
set search_path = ''
as $$
  select e.*
  from (
    (
      select f.*
      from public.phoenix_events as f
      where not backwards
        and f.user_id = owner
        and f.version >= coalesce(from_version, 1)
      order by f.version
      limit max_events
    )
    union all
    (
      select b.*
      from public.phoenix_events as b
      where backwards
        and b.user_id = owner
        and b.version <= coalesce(from_version, 9223372036854775807)
      order by b.version desc
      limit max_events
    )
  ) as e
  order by case when backwards then -e.version else e.version end
$$;

comment on function flywheel.read_stream(uuid, bigint, boolean, integer) is
  'A page of one user''s events: from a version on, itself included, forwards or backwards. Without a version from the stream''s start, or its end. The next page begins beside the last version of this one.';
