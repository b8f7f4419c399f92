create type flywheel.verdict as (event_id uuid, status text);

comment on type flywheel.verdict is
  'What became of a publication: accepted, duplicate (with the first one''s event_id) or rejected (its event_id stands for another content).';
