create function flywheel.step_allowed(status text, step text)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
begin
  return case step
    when 'notified' then status = 'requested'
    when 'accepted' then status in ('requested', 'notified')
    when 'rejected' then status in ('requested', 'notified')
    when 'expired' then status in ('requested', 'notified')
    when 'completed' then status = 'accepted'
    else false
  end;
end
$$;

comment on function flywheel.step_allowed(text, text) is
  'The saga''s one table: which step may follow which state. requested → notified → accepted → completed; an app that polls accepts without having been notified; until it is accepted a transition can be rejected or expire.';
