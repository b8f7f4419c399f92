import { type Effect, effectName } from "../domain/effect.ts";
import type { Cause } from "../domain/fold.ts";
import { uuidV5 } from "./uuid.ts";

/**
 * The same effect of the same cause has the same id in every replay. A timer has no event: its user and its time name it.
 */
export function effectId(user_id: string, cause: Cause, effect: Effect): string {
  const name = effectName(effect);
  return cause.event_id === undefined
    ? uuidV5(user_id, `${name}@${cause.at}`)
    : uuidV5(cause.event_id, name);
}
