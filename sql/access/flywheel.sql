revoke all on schema flywheel from public, anon, authenticated, service_role;
grant usage on schema flywheel to service_role;

revoke all on all tables in schema flywheel from public, anon, authenticated, service_role;
grant select on all tables in schema flywheel to service_role;
grant update on flywheel.settings to service_role;

revoke all on all functions in schema flywheel from public, anon, authenticated, service_role;
grant execute on function
  flywheel.publish(text, uuid, jsonb, boolean),
  flywheel.publish_together(text, integer[], uuid[], jsonb),
  flywheel.publish_timely(text, integer),
  flywheel.publish_timely_streams(text, integer),
  flywheel.read_stream(uuid, bigint, boolean, integer),
  flywheel.erase_user(uuid, text),
  flywheel.export_user(uuid),
  flywheel.enter(),
  flywheel.lease(text),
  flywheel.extend(uuid, uuid[]),
  flywheel.postpone(uuid, uuid[]),
  flywheel.commit(uuid, text, jsonb, json, jsonb, text, bigint),
  flywheel.leave(uuid, bigint, boolean),
  flywheel.tend(),
  flywheel.prune(),
  flywheel.mend_waits(),
  flywheel.ring(boolean),
  flywheel.mark_nudge(uuid, uuid, text),
  flywheel.read_state(uuid),
  flywheel.settings_history(),
  flywheel.settings_changed_at(),
  flywheel.refold(uuid),
  flywheel.global_context(),
  flywheel.request_transition(uuid, text, text, jsonb, interval, bigint, text[]),
  flywheel.step_transition(uuid, uuid, text, text),
  flywheel.configure_app(text, text, text),
  flywheel.lease_deliveries(),
  flywheel.lease_withdrawals(),
  flywheel.mark_withdrawn(uuid[]),
  flywheel.mark_published(jsonb),
  flywheel.mark_attempted(uuid, uuid),
  flywheel.fail_delivery(uuid, uuid, boolean, text),
  flywheel.answer_delivery(uuid, uuid, text, text),
  flywheel.pending_events(),
  flywheel.queue_status(),
  flywheel.reprocess(uuid, timestamptz, boolean),
  flywheel.replay_progress(),
  flywheel.stop_replays(),
  flywheel.merge_rollups(),
  flywheel.verify_rollups(),
  flywheel.verify_activity(),
  flywheel.rebuild_rollups()
to service_role;
