import type postgres from "postgres";
import type { StoredEvent } from "../../shared/domain/events/envelope.ts";
import { fold } from "../../shared/domain/fold.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { foldingOf, rollups } from "./flywheel.ts";

/** A stored event, and whether its publisher said when it happened. */
export interface LoggedEvent extends StoredEvent {
  timed: boolean;
}

/** A user's log as it stands in the table. */
export async function logOf(sql: postgres.Sql, user: string): Promise<LoggedEvent[]> {
  const rows = await sql`
    select
      version::int, event_id, event_type, app_source, payload, correlation_id,
      floor(extract(epoch from "timestamp") * 1000)::float as "timestamp",
      floor(extract(epoch from received_at) * 1000)::float as received_at,
      "timestamp" <> received_at as timed
    from public.phoenix_events
    where user_id = ${user}
    order by version
  `;
  return rows.map((row) => ({ ...row, set_aside: false }) as unknown as LoggedEvent);
}

/** What a log comes to when it is folded at one go by nobody but the test, with the timers that come due in the next minute. */
export function foldQuietly(
  reactors: readonly Reactor[],
  user: string,
  events: readonly StoredEvent[],
) {
  const { state, effects } = fold(reactors, {
    ...foldingOf(user),
    state: {},
    events,
    now: Date.now() + 60_000,
    attempt: "early",
  });
  return {
    state,
    /** Cause and time of each effect, sorted. */
    effects: effects.map(({ cause }) => `${cause.event_id ?? null} ${cause.at}`).sort(),
  };
}

/** What a user's log has come to in the database, in the same form. */
export async function foldedOf(sql: postgres.Sql, user: string) {
  const [row] = await sql`
    select version::int, processed_version::int as processed, available_at, state::jsonb - ${rollups} as state
    from flywheel.streams left join flywheel.states using (user_id)
    where user_id = ${user}
  `;
  const effects = await sql`
    select causation_id, floor(extract(epoch from sent_at) * 1000)::float as at
    from public.phoenix_nudges_sent where user_id = ${user}
  `;
  return {
    version: row?.version ?? 0,
    processed: row?.processed ?? 0,
    available_at: row?.available_at ?? null,
    state: row?.state ?? {},
    effects: effects.map(({ causation_id, at }) => `${causation_id} ${at}`).sort(),
  };
}
