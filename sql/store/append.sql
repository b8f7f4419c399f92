create function flywheel.append(incoming flywheel.incoming_event[], dedup_window interval)
returns flywheel.verdict[]
language plpgsql
set search_path = ''
-- Otherwise each batch would be planned anew, for its length.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  fine flywheel.incoming_event[];
  has_issues boolean;
  is_entangled boolean;
  verdicts flywheel.verdict[] := '{}';
  place integer;
  quiet_until text := coalesce(current_setting('flywheel.quiet_until', true), '');
begin
  select
    count(i.fingerprint) < count(*),
    count(distinct i.fingerprint) < count(*) or count(distinct i.event_id) < count(*)
  into has_issues, is_entangled
  from (
    select (incoming[p]).fingerprint, (incoming[p]).event_id
    from generate_subscripts(incoming, 1) as p
  ) as i;

  if has_issues then
    fine := array(select i::flywheel.incoming_event from unnest(incoming) as i where i.issues = '{}');
    verdicts := case when cardinality(fine) > 0 then flywheel.append(fine, dedup_window) end;
    return array(
      select
        case
          when i.issues = '{}' then verdicts[(count(*) filter (where i.issues = '{}') over (order by i.ordinality))::integer]
        end
      from unnest(incoming) with ordinality as i
      order by i.ordinality
    );
  end if;

  if not is_entangled then
    return flywheel.append_events(incoming, dedup_window);
  end if;

  -- What becomes of the second of two like events depends on the first, so each waits for the one before. In order of
  -- users, so that two batches cannot deadlock. A ring holds the bell until the transaction ends, and nobody else can ring
  -- meanwhile: so it waits until all streams are locked.
  perform set_config('flywheel.quiet_until', 'Infinity', true);
  for place in
    select p from generate_subscripts(incoming, 1) as p order by (incoming[p]).user_id, p
  loop
    verdicts[place] := flywheel.append_event(incoming[place], dedup_window);
  end loop;
  perform set_config('flywheel.quiet_until', quiet_until, true);
  if quiet_until <> 'Infinity' then
    perform flywheel.ring();
  end if;
  return verdicts;
end
$$;

comment on function flywheel.append(flywheel.incoming_event[], interval) is
  'Deduplicates and appends publications, in their order for each user. The streams stay locked until the transaction ends. Returns a verdict on each, in the order given; null for one with issues.';
