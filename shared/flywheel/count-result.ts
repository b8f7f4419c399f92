import type { State } from "../domain/reactor.ts";
import type { Activity } from "../domain/rollups/activity.ts";
import { count, counting, type CountMemory } from "../domain/rollups/count.ts";
import type { Add } from "../domain/rollups/increments.ts";
import type { Result } from "./commit.ts";

/**
 * Counts what was folded of a user's backlog, whatever became of it.
 *
 * @returns the state with what counting remembers, whether the database has to count from the log, and the activity that has changed
 */
export function countResult(
  { version, folded: { state }, events, is_uncounted }: Result,
  add: Add,
): { state: State; isLate: boolean; activity: Activity | undefined } {
  const isAll = events.length === 0 || events.at(-1)!.version <= version;
  const { memory, isLate, activity } = count(
    state[counting.name] as CountMemory | undefined,
    isAll ? events : events.filter((event) => event.version <= version),
    add,
    is_uncounted,
  );
  return { state: { ...state, [counting.name]: memory }, isLate, activity };
}
