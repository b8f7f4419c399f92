import type postgres from "postgres";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";

/** The tables of the hot path, which grow with users and events. */
export const largeTables = [
  "phoenix_events",
  "streams",
  "states",
  "fingerprints",
  "aliases",
  "phoenix_nudges_sent",
  "phoenix_transitions",
  "deliveries",
  "user_activity",
];

/** The shape of the states that {@link fillFolded} writes. */
export const shape = shapeOfWork(reactors);

/** The id of the user of a number; ids are in the order of their numbers. */
export const userOf = (n: number) => `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

/** The users from the number `from` on, up to and without `upto`. */
interface Users {
  from: number;
  upto: number;
}

/**
 * Users with five folded events: none is due, half have timers, some have dead letters.
 *
 * No plan is made anew for it: nothing is altered, and nothing counted.
 *
 * @param superuser who may leave triggers out
 */
export async function fillLog(superuser: postgres.Sql, { from, upto }: Users): Promise<void> {
  const these = `s.user_id >= '${userOf(from)}'`;
  await superuser.begin((sql) =>
    sql.unsafe(`
      set local session_replication_role = replica;
      insert into flywheel.streams (
        user_id, version, processed_version, counted_version, available_at, wake_at, has_aliases
      )
      select
        ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 5, 5, 5,
        case when n % 2 = 0 then now() + interval '1 day' end,
        case when n % 2 = 0 then now() + interval '1 day' end,
        true
      from generate_series(${from}, ${upto - 1}) as n;
      insert into public.phoenix_events (
        user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash, ai_processing_error
      )
      select
        s.user_id, v, gen_random_uuid(), 'test.happened', 'website', '{}', now(),
        sha256((s.user_id::text || v)::bytea),
        case when s.user_id::text like '%00' and v = 3 then 'it hurts' end
      from flywheel.streams as s, generate_series(1, 5) as v
      where ${these};
      insert into flywheel.fingerprints (user_id, fingerprint, event_id, seen_at)
      select s.user_id, s.event_hash, s.event_id, now() + interval '1 minute'
      from public.phoenix_events as s
      where ${these};
      insert into flywheel.aliases (user_id, event_id, fingerprint, first_event_id)
      select s.user_id, gen_random_uuid(), s.event_hash, s.event_id
      from public.phoenix_events as s
      where ${these};
    `).simple()
  );
}

/** Users with so many folded events each, one a minute, and nothing due. */
export async function fillHistory(
  superuser: postgres.Sql,
  { from, upto }: Users,
  events: number,
): Promise<void> {
  await superuser.begin((sql) =>
    sql.unsafe(`
      set local session_replication_role = replica;
      insert into flywheel.streams (user_id, version, processed_version, counted_version, latest_at)
      select ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, ${events}, ${events}, ${events}, now()
      from generate_series(${from}, ${upto - 1}) as n;
      insert into public.phoenix_events (
        user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash
      )
      select
        s.user_id, v, gen_random_uuid(), 'test.happened', 'website', '{}', now() - v * interval '1 minute',
        sha256((s.user_id::text || v)::bytea)
      from flywheel.streams as s, generate_series(1, ${events}) as v
      where s.user_id >= '${userOf(from)}';
    `).simple()
  );
}

/** What folding has made of the same users: a state, a nudge, a transition, which few have not answered, and a delivery each. */
export async function fillFolded(superuser: postgres.Sql, { from, upto }: Users): Promise<void> {
  const these = `s.user_id >= '${userOf(from)}' and s.user_id < '${userOf(upto)}'`;
  await superuser.begin((sql) =>
    sql.unsafe(`
      set local session_replication_role = replica;
      insert into flywheel.states (user_id, shape, state)
      select s.user_id, '${shape}', '{}' from flywheel.streams as s where ${these};
      insert into public.phoenix_nudges_sent (
        user_id, nudge_id, nudge_type, app_source, target_app, title, message, cta_label, cta_url, expires_at
      )
      select s.user_id, gen_random_uuid(), 't', 'cv', 'cv', 't', 'm', 'c', 'u', now() + interval '1 day'
      from flywheel.streams as s
      where ${these};
      insert into public.phoenix_transitions (
        user_id, transition_id, source_app, target_app, context, status, requested_at, expires_at
      )
      select
        s.user_id, gen_random_uuid(), 'aube', 'cv', '{}',
        case when s.user_id::text like '%0' then 'requested' else 'completed' end,
        now() - interval '1 hour', now() + interval '1 day'
      from flywheel.streams as s
      where ${these};
      insert into flywheel.apps (app, delivery_url) values ('cv', 'http://127.0.0.1:9')
      on conflict (app) do update set delivery_url = excluded.delivery_url;
      insert into flywheel.deliveries (
        user_id, delivery_id, app, kind, transition_id, message, created_at, available_at, failed_at
      )
      select
        s.user_id, gen_random_uuid(), 'cv', 'transition', s.transition_id, '{}', now(),
        case
          when s.user_id::text ~ '[01]0$' then now()
          when s.status = 'requested' then now() + interval '1 day'
        end,
        case when s.user_id::text like '%01' then now() end
      from public.phoenix_transitions as s
      where ${these};
      insert into flywheel.user_activity (user_id, cv_last_at)
      select s.user_id, now() from flywheel.streams as s where ${these};
    `).simple()
  );
}
