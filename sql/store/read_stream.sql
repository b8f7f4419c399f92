create function flywheel.read_stream(
  owner uuid,
  from_version bigint default null,
  backwards boolean default false,
  max_events integer default 100
)
returns setof public.phoenix_events
language plpgsql
stable
security definer
set search_path = ''
set plan_cache_mode = 'force_generic_plan'
-- As in flywheel.append_events(): always by index, whatever the table held when the plan was made.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
  if backwards then
    return query
    select e.*
    from public.phoenix_events as e
    where e.user_id = owner and e.version <= coalesce(from_version, 9223372036854775807)
    order by e.version desc
    limit max_events;
  else
    return query
    select e.*
    from public.phoenix_events as e
    where e.user_id = owner and e.version >= coalesce(from_version, 1)
    order by e.version
    limit max_events;
  end if;
end
$$;

comment on function flywheel.read_stream(uuid, bigint, boolean, integer) is
  'A page of one user''s events: from a version on, itself included, forwards or backwards. Without a version from the stream''s start, or its end. The next page begins beside the last version of this one.';
