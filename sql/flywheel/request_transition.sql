create function flywheel.request_transition(
  owner uuid,
  source_app text,
  target_app text,
  context jsonb,
  lifetime interval,
  known_head bigint,
  telling text[]
)
returns public.phoenix_transitions
language plpgsql
security definer
set search_path = ''
as $$
declare
  requested public.phoenix_transitions;
begin
  -- A user who had a stream and has none has been erased since: theirs is not begun anew.
  if known_head = 0 then
    insert into flywheel.streams (user_id) values (owner) on conflict do nothing;
  end if;
  perform from flywheel.streams as s where s.user_id = owner and s.version >= known_head for no key update;
  if not found or exists (
    select from public.phoenix_events as e
    where e.user_id = owner and e.version > known_head and e.event_type = any (telling)
  )
  then
    raise exception using
      errcode = 'PT409',
      message = 'Something was published or erased while this was asked for. Ask again.',
      detail = 'overtaken';
  end if;

  select t.* into requested
  from public.phoenix_transitions as t
  where t.user_id = owner
    and t.source_app = request_transition.source_app
    and t.target_app = request_transition.target_app
    and t.context = request_transition.context
    and t.status in ('requested', 'notified')
    and t.expires_at > clock_timestamp();
  if found then
    return requested;
  end if;

  requested.transition_id := gen_random_uuid();
  requested.user_id := owner;
  requested.source_app := request_transition.source_app;
  requested.target_app := request_transition.target_app;
  requested.context := request_transition.context;
  requested.status := 'requested';
  -- Later than the user's others, even where the clock was set back or an event's is ahead: what is asked for now is the latest.
  requested.requested_at := greatest(
    clock_timestamp(),
    (
      -- Added to each, within max(): for the maximum of the column itself a plan may read everybody's from the end.
      select max(t.requested_at + interval '1 microsecond') from public.phoenix_transitions as t where t.user_id = owner
    )
  );
  requested.expires_at := requested.requested_at + lifetime;
  -- Nobody's event caused it: it begins a conversation of its own.
  requested.correlation_id := requested.transition_id::text;
  perform flywheel.open_transition(requested);
  return requested;
end
$$;

comment on function flywheel.request_transition(uuid, text, text, jsonb, interval, bigint, text[]) is
  'Opens a transition that somebody asked for by hand, which supersedes an open one to the same app. Asking for the same again while it is open is asking once. known_head: the last version of the stream that the context knows of, 0 where there was none; telling: which types of events would tell it more. Returns the transition. Raises PT409 overtaken where such an event was appended since, or the user was erased.';
