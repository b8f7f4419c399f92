create function flywheel.enqueue_delivery(
  about public.phoenix_transitions,
  app text,
  kind text,
  type text,
  source_app text,
  context jsonb,
  decided_at timestamptz
)
returns void
language plpgsql
set search_path = ''
as $$
begin
  insert into flywheel.deliveries (
    user_id, delivery_id, app, kind, transition_id, message, created_at, available_at
  )
  select
    about.user_id,
    gen_random_uuid(),
    a.app,
    enqueue_delivery.kind,
    about.transition_id,
    jsonb_build_object(
      'type', enqueue_delivery.type,
      'source_app', 'phoenix_' || enqueue_delivery.source_app,
      'target_app', a.app,
      'context', enqueue_delivery.context,
      'timestamp', to_char(decided_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    ),
    decided_at,
    decided_at
  from flywheel.apps as a
  where a.app = enqueue_delivery.app and a.delivery_url is not null;
end
$$;

comment on function flywheel.enqueue_delivery(public.phoenix_transitions, text, text, text, text, jsonb, timestamptz) is
  'Puts into the outbox what an app is to be told about a transition. An app without an address is told nothing: it polls.';
