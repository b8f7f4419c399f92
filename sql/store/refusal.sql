create function flywheel.refusal(issues text[])
returns json
language sql
immutable
set search_path = ''
return json_build_object(
  'event_id', null,
  'status', 'rejected',
  'error', json_build_object(
    'code', 'invalid_event',
    'message', 'The event was refused.',
    'issues', (
      select json_agg(
        json_build_object('field', split_part(i.issue, '=', 1), 'message', substr(i.issue, strpos(i.issue, '=') + 1))
        order by i.place
      )
      from unnest(issues) with ordinality as i (issue, place)
    )
  )
);

comment on function flywheel.refusal(text[]) is
  'The result of a publication whose envelope or payload was refused, with its issues, given as field=message.';
