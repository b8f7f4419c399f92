create function flywheel.write_transitions(effects jsonb, committed uuid[])
returns bigint
language plpgsql
set search_path = ''
as $$
declare
  effect record;
  opening public.phoenix_transitions;
  opened bigint := 0;
begin
  for effect in
    select e.*
    from rows from (
      jsonb_to_recordset(effects) as (
        user_id uuid, effect_id uuid, source_app text, target_app text, context jsonb, causation_id text,
        correlation_id text, at bigint, expires_at bigint
      )
    ) with ordinality as e (
      user_id, effect_id, source_app, target_app, context, causation_id, correlation_id, at, expires_at, place
    )
    where e.user_id = any (committed) and e.expires_at > extract(epoch from clock_timestamp()) * 1000
    order by e.place
  loop
    opening := null;
    opening.transition_id := effect.effect_id;
    opening.user_id := effect.user_id;
    opening.source_app := effect.source_app;
    opening.target_app := effect.target_app;
    opening.context := effect.context;
    opening.status := 'requested';
    opening.requested_at := to_timestamp(effect.at / 1000.0);
    opening.expires_at := to_timestamp(effect.expires_at / 1000.0);
    opening.causation_id := effect.causation_id;
    opening.correlation_id := effect.correlation_id;
    if flywheel.open_transition(opening) then
      opened := opened + 1;
    end if;
  end loop;
  return opened;
end
$$;

comment on function flywheel.write_transitions(jsonb, uuid[]) is
  'Opens the transitions of committed users in their order, each once, whatever is replayed. Times in milliseconds since 1970. One whose time was over before it was ever folded is left out. Returns how many were new.';
