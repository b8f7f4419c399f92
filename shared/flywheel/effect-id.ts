import { type Effect, effectName } from "../domain/effect.ts";
import type { Cause } from "../domain/fold.ts";
import { uuidV5 } from "./uuid.ts";

/** Ids that were asked for: the reactor needs an effect's id as well as the commit. */
const known = new WeakMap<Effect, { user_id: string; cause: Cause; id: string }>();

/**
 * The same effect of the same cause has the same id in every replay, and nobody else's has it: an `event_id` is one user's only. A timer
 * has no event: its time names it.
 */
export function effectId(user_id: string, cause: Cause, effect: Effect): string {
  const before = known.get(effect);
  if (before?.cause === cause && before.user_id === user_id) return before.id;
  const id = uuidV5(user_id, `${effectName(effect)}@${cause.event_id ?? cause.at}`);
  known.set(effect, { user_id, cause, id });
  return id;
}
