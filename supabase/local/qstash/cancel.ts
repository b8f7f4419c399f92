import type { Clock } from "./clock.ts";
import { logState } from "./log.ts";
import { buildFilter, type FilterField } from "./store/filter.ts";
import type { Store } from "./store/store.ts";

/**
 * Cancels every message that matches. One in flight still reaches its destination, but is neither
 * retried nor reported.
 *
 * @returns how many were cancelled.
 */
export function cancelMessages(
  { store, clock }: { store: Store; clock: Clock },
  fields: Map<FilterField, string[]>,
): number {
  return store.transaction(() => {
    const messages = store.messages.list(
      buildFilter(fields, "m.created_at"),
      Number.MAX_SAFE_INTEGER,
    );
    for (const message of messages) {
      store.messages.remove(message.messageId);
      logState(store, clock.now(), message, "CANCELED");
    }
    return messages.length;
  });
}
