create function flywheel.remember_aliases(incoming flywheel.incoming_event[], verdicts flywheel.verdict[])
returns void
language plpgsql
set search_path = ''
-- As in flywheel.append_events(): always by index, whatever the tables held when the plan was made.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
  with remembered as (
    insert into flywheel.aliases as a (user_id, event_id, fingerprint, first_event_id)
    select
      (incoming[p]).user_id, (incoming[p]).event_id, (incoming[p]).fingerprint, (verdicts[p]).event_id
    from generate_subscripts(incoming, 1) as p
    where (incoming[p]).is_id_given
      and (verdicts[p]).status = 'duplicate'
      and (verdicts[p]).event_id <> (incoming[p]).event_id
    on conflict (user_id, event_id) do nothing
    returning a.user_id
  )
  update flywheel.streams as s
  set has_aliases = true
  where s.user_id = any (array(select r.user_id from remembered as r)) and not s.has_aliases;
end
$$;

comment on function flywheel.remember_aliases(flywheel.incoming_event[], flywheel.verdict[]) is
  'Keeps the event_ids that publishers gave to duplicates of what the log has under another one, so that they stand for it from now on. The caller has locked the streams.';
