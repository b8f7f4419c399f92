import type { Folded } from "../domain/fold.ts";
import type { Database } from "../platform/database.ts";
import { effectId } from "./effect-id.ts";

/** One user's folded backlog. */
export interface Result {
  user_id: string;
  /** The last version folded. */
  version: number;
  folded: Folded;
}

/** What a commit wrote. */
export interface Committed {
  users: string[];
  nudges: number;
}

/**
 * Writes what was folded in one transaction: states, checkpoints, effects.
 *
 * @param token the lease's; users whose lease has ended meanwhile are refused whole
 * @returns who was committed, and how many effects were new
 */
export async function commit(
  database: Database,
  token: string,
  shape: string,
  results: readonly Result[],
): Promise<Committed> {
  const [row] = await database<{ commit: Committed }[]>`
    select flywheel.commit(
      ${token},
      ${shape},
      ${JSON.stringify(results.map(toRow))}::text::jsonb,
      ${JSON.stringify(toEffects(results))}::text::jsonb
    )
  `;
  return row?.commit ?? { users: [], nudges: 0 };
}

function toRow({ user_id, version, folded }: Result) {
  return {
    user_id,
    version,
    state: folded.state,
    wake_at: folded.wakeAt === undefined ? null : new Date(folded.wakeAt),
    failed: folded.failure !== undefined,
  };
}

/** The effects by kind, each with its id and its cause, and what was set aside. */
function toEffects(results: readonly Result[]): Record<string, unknown[]> {
  const rows: Record<string, unknown[]> = {};
  for (const { user_id, folded } of results) {
    for (const { effect, cause } of folded.effects) {
      const { kind, ...what } = effect;
      (rows[kind] ??= []).push({
        causation_id: cause.event_id,
        correlation_id: cause.correlation_id,
        ...what,
        user_id,
        effect_id: effectId(user_id, cause, effect),
        at: cause.at,
      });
    }
    for (const { version, error } of folded.setAside) {
      (rows.set_aside ??= []).push({ user_id, version, error: error ?? null });
    }
  }
  return rows;
}
