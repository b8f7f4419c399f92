import postgres from "postgres";
import type { Folded } from "../domain/fold.ts";
import { Increments } from "../domain/rollups/increments.ts";
import type { Database } from "../platform/database.ts";
import { countResult } from "./count-result.ts";
import { effectId } from "./effect-id.ts";
import type { Lease, LeasedEvent } from "./lease.ts";

/** One user's folded backlog. */
export interface Result {
  user_id: string;
  /** The last version folded. */
  version: number;
  folded: Folded;
  /** What was leased, and what was folded ahead; those up to `version` are folded. */
  events: readonly LeasedEvent[];
  /** How many of the events are not in the log yet, but are the first of the effects of kind `event`. */
  ahead: number;
  /** Whether something was folded before that is not counted yet. */
  is_uncounted: boolean;
}

/** What a commit wrote. */
export interface Committed {
  users: string[];
  /** Users who had gone on meanwhile, and come again. */
  overtaken: number;
  nudges: number;
  transitions: number;
}

/** What a commit wrote. Where it refused a user it wrote nothing, and `held` says who is to be committed without them. */
export interface Answer extends Committed {
  held: string[];
}

/** What reactors made cannot be written: none of the commit's results were, though it may be one user's fault. */
export class Unwritable extends Error {}

/**
 * What a commit is to write, each user's part written out as soon as it is known: what was read and folded need not be kept until
 * all users are.
 */
export class Draft {
  readonly #results: string[] = [];
  readonly #states: string[] = [];
  readonly #effects = new Map<string, string[]>();
  readonly #increments = new Increments();
  /** How many events the commit may have to count from the log. */
  uncounted = 0;

  /** @throws Unwritable where what reactors made is not JSON */
  add(result: Result): this {
    const { user_id, version, folded, ahead } = result;
    const counted = countResult(result, this.#increments.add);
    if (counted.isLate) this.uncounted += version;
    this.#results.push(toJson({
      user_id,
      version,
      late: counted.isLate,
      wake_at: folded.wakeAt === undefined ? null : new Date(folded.wakeAt),
      failed: folded.failure !== undefined,
      ...(ahead > 0 && { ahead }),
    }));
    this.#states.push(`"${user_id}":${toJson(counted.state)}`);
    for (const effect of effectsOf(user_id, folded)) this.#addEffect(effect);
    for (const { version, error } of folded.setAside) {
      this.#addEffect(["set_aside", { user_id, version, error: error ?? null }]);
    }
    if (counted.activity) this.#addEffect(["activity", { user_id, ...counted.activity }]);
    return this;
  }

  #addEffect([kind, row]: EffectRow): void {
    const rows = this.#effects.get(kind) ?? [];
    rows.push(toJson(row));
    this.#effects.set(kind, rows);
  }

  get results(): string {
    return `[${this.#results.join()}]`;
  }

  get states(): string {
    return `{${this.#states.join()}}`;
  }

  get effects(): string {
    const kinds = Array.from(this.#effects, ([kind, rows]) => `"${kind}":[${rows.join()}]`);
    return `{${kinds.join()}}`;
  }

  get increments(): string {
    return this.#increments.toJson();
  }
}

/**
 * Writes what was folded in one transaction: states, checkpoints, effects.
 *
 * @param lease users whose lease has ended meanwhile are refused whole
 * @returns who was committed, and how many effects were new
 * @throws Unwritable where the database refuses what is to be written
 */
export async function commit(
  database: Database,
  { token, leased_at }: Pick<Lease, "token" | "leased_at">,
  shape: string,
  { results, states, effects, increments }: Draft,
): Promise<Answer> {
  try {
    const [row] = await database<{ commit: Answer }[]>`
      select flywheel.commit(
        ${token},
        ${shape},
        ${results}::text::jsonb,
        ${states}::text::json,
        ${effects}::text::jsonb,
        ${increments},
        ${leased_at}
      )
    `;
    return row!.commit;
  } catch (error) {
    throw isRefusal(error) ? new Unwritable(error.message, { cause: error }) : error;
  }
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw new Unwritable(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Data that do not fit (22), break a constraint (23) or a limit (54), or that a function of ours raised an error about (P0). */
function isRefusal(error: unknown): error is postgres.PostgresError {
  return error instanceof postgres.PostgresError && /^(22|23|54|P0)/.test(error.code);
}

type EffectRow = readonly [kind: string, row: Record<string, unknown>];

/** A user's effects, each with its id and its cause. */
function effectsOf(user_id: string, { effects }: Folded): EffectRow[] {
  const rows: EffectRow[] = [];
  const nudges = new Map<string, Record<string, unknown>>();
  for (const { effect, cause } of effects) {
    const { kind, ...what } = effect;
    const nudge = kind === "nudge_change" ? nudges.get(effect.nudge_id) : undefined;
    if (kind === "nudge_change" && nudge) {
      // The nudge itself is written by this commit: what became of it goes with it.
      nudge[`${effect.change}_at`] ??= cause.at;
      continue;
    }
    const row: Record<string, unknown> = {
      causation_id: cause.event_id,
      correlation_id: cause.correlation_id,
      ...what,
      user_id,
      effect_id: effectId(user_id, cause, effect),
      at: cause.at,
    };
    if (kind === "nudge") {
      const id = String(row.effect_id);
      // Two reactors may make the same of one event: the database takes it once a statement.
      if (nudges.has(id)) continue;
      nudges.set(id, row);
    }
    rows.push([kind, row]);
  }
  return rows;
}
