create function flywheel.refusal(issues text[])
returns json
language plpgsql
immutable
set search_path = ''
as $$
begin
  return json_build_object(
    'event_id', null,
    'status', 'rejected',
    'error', json_build_object(
      'code', 'invalid_event',
      'message', 'The event was refused.',
      'issues', (
        select json_agg(
          json_build_object('field', left(i.issue, -1 - length(m.message)), 'message', m.message)
          order by i.place
        )
        from unnest(issues) with ordinality as i (issue, place)
        -- A field may be called anything.
        cross join lateral (select split_part(i.issue, '=', -1) as message) as m
      )
    )
  );
end
$$;

comment on function flywheel.refusal(text[]) is
  'The result of a publication whose envelope or payload was refused, with its issues, given as field=message; messages are ours and have no "=".';
