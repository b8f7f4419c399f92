create function flywheel.publish_together(
  bodies text,
  sizes integer[],
  publishers uuid[],
  refused jsonb default '{}'
)
returns json
language plpgsql
security definer
set search_path = ''
as $$
declare
  settings flywheel.settings;
  sent jsonb := bodies::jsonb;
  publication jsonb;
  lists jsonb[] := '{}';
  events jsonb;
  owners uuid[] := '{}';
  incoming flywheel.incoming_event[];
  verdicts flywheel.verdict[];
  lengths integer[] := '{}';
  first integer := 1;
  answers text[] := '{}';
begin
  select s.* into settings from flywheel.settings as s;

  for place in 1 .. jsonb_array_length(sent) loop
    publication := sent -> (place - 1);
    if publication -> 'events' <> 'null' and publication -> 'expected_version' <> 'null' then
      raise exception using
        errcode = 'PT400',
        message = 'expected_version must be published by itself.',
        detail = 'invalid_expected_version';
    end if;
    lists[place] := flywheel.events_of(publication, sizes[place], settings);
    lengths[place] := jsonb_array_length(lists[place]);
    owners := owners || array_fill(publishers[place], array[lengths[place]]);
  end loop;
  events := jsonb_path_query_array(to_jsonb(lists), 'strict $[*][*]');
  incoming := flywheel.read_envelopes(bodies, events, owners, refused, settings);
  verdicts := flywheel.append(incoming, settings.dedup_window);

  for place in 1 .. cardinality(lengths) loop
    answers[place] := flywheel.answer(incoming, verdicts, first, first + lengths[place] - 1);
    first := first + lengths[place];
  end loop;
  return concat('[', array_to_string(answers, ','), ']');
end
$$;

comment on function flywheel.publish_together(text, integer[], uuid[], jsonb) is
  'flywheel.publish() for several publications in one transaction: a list of them as JSON text, with the bytes that each was sent in, and each one''s publisher; none of them expects a version. refused: { index from 0 among all events: [ { field, message } ] }. Returns the answers in the order given. Raises what flywheel.publish() raises where one of them is refused whole; none is published then, and each has to be tried by itself.';
