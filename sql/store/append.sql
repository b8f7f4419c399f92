create function flywheel.append(incoming flywheel.incoming_event[], dedup_window interval)
returns flywheel.verdict[]
language plpgsql
set search_path = ''
-- Else each batch is planned anew, for its length.
set plan_cache_mode = 'force_generic_plan'
as $$
declare
  events integer := cardinality(incoming);
  fine integer;
  is_entangled boolean;
  verdicts flywheel.verdict[];
  appended flywheel.verdict[];
  place integer;
begin
  if events = 1 and incoming[1].issues = '{}' then
    return array[flywheel.append_event(incoming[1], dedup_window)];
  end if;

  select count(i.fingerprint), count(distinct i.fingerprint) < count(*) or count(distinct i.event_id) < count(*)
  into fine, is_entangled
  from (
    select (incoming[p]).fingerprint, (incoming[p]).event_id
    from generate_subscripts(incoming, 1) as p
  ) as i;

  if fine < events then
    appended := case
      when fine > 0 then flywheel.append(array(select i::flywheel.incoming_event from unnest(incoming) as i where i.issues = '{}'), dedup_window)
    end;
    fine := 0;
    for place in 1 .. events loop
      if incoming[place].issues = '{}' then
        fine := fine + 1;
        verdicts[place] := appended[fine];
      end if;
    end loop;
    return verdicts;
  end if;

  if not is_entangled then
    return flywheel.append_events(incoming, dedup_window);
  end if;

  -- What becomes of the second of two like events depends on the first, so each waits for the one before. In order of
  -- users, so that two batches cannot deadlock.
  for place in
    select p from generate_subscripts(incoming, 1) as p order by (incoming[p]).user_id, p
  loop
    verdicts[place] := flywheel.append_event(incoming[place], dedup_window);
  end loop;
  return verdicts;
end
$$;

comment on function flywheel.append(flywheel.incoming_event[], interval) is
  'Deduplicates and appends publications, in their order for each user. The streams stay locked until the transaction ends. Returns a verdict on each, in the order given; null for one with issues.';
