import { type Effect, effectName } from "../domain/effect.ts";
import type { Cause } from "../domain/fold.ts";
import { uuidV5 } from "./uuid.ts";

/** Ids that were asked for: the commit needs an effect's id, and often the reactor has asked for it before. */
const known = new WeakMap<Effect, { user_id: string; cause: Cause; id: string }>();

/**
 * The id of an effect, a UUIDv5: for the same user, cause and effect the same in every replay. The user is part of it, since an
 * `event_id` is unique for its user only. A timer has no event: its time names it.
 */
export function effectId(user_id: string, cause: Cause, effect: Effect): string {
  const before = known.get(effect);
  if (before?.cause === cause && before.user_id === user_id) return before.id;
  const id = uuidV5(user_id, `${effectName(effect)}@${cause.event_id ?? cause.at}`);
  known.set(effect, { user_id, cause, id });
  return id;
}
