create function flywheel.answer(
  incoming flywheel.incoming_event[],
  verdicts flywheel.verdict[],
  first integer,
  last integer
)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  verdict flywheel.verdict;
  accepted integer := 0;
  duplicates integer := 0;
  results text[] := '{}';
begin
  -- Written as text: to build a JSON value and to write it out takes longer.
  for place in first .. last loop
    verdict := verdicts[place];
    if verdict.status = 'accepted' then
      accepted := accepted + 1;
      results := results || concat('{"event_id":"', verdict.event_id, '","status":"accepted"}');
      continue;
    end if;

    duplicates := duplicates + coalesce(verdict.status = 'duplicate', false)::integer;
    results := results || case verdict.status
      when 'duplicate' then concat('{"event_id":"', verdict.event_id, '","status":"duplicate"}')
      when 'rejected' then concat(
        '{"event_id":"', verdict.event_id, '","status":"rejected","error":{"code":"event_id_reused",'
        '"message":"This event_id stands for an event with another content."}}'
      )
      else flywheel.refusal(incoming[place].issues)::text
    end;
  end loop;
  return concat(
    '{"accepted":', accepted, ',"duplicates":', duplicates,
    ',"rejected":', last - first + 1 - accepted - duplicates,
    ',"results":[', array_to_string(results, ','), ']}'
  );
end
$$;

comment on function flywheel.answer(flywheel.incoming_event[], flywheel.verdict[], integer, integer) is
  'What became of the publications from the first to the last place given, as JSON text: { accepted, duplicates, rejected, results: [ { event_id, status, error } ] }.';
