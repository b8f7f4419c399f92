import { eventually } from "./eventually.ts";
import type { TestStack } from "./stack.ts";
import { functionsOf, publicationOf } from "./functions.ts";
import { z } from "zod";

const statusSchema = z.looseObject({
  status: z.string(),
  pending_events: z.int(),
  processed_total: z.int(),
});

/** Publishes events with the secret key in as few calls as it takes, and returns how many were accepted. */
export async function publishAll(
  { env }: TestStack,
  events: readonly Record<string, unknown>[],
): Promise<number> {
  let accepted = 0;
  for (let from = 0; from < events.length; from += 500) {
    const json = { events: events.slice(from, from + 500) };
    const answer = await functionsOf(env)("POST", "events", { as: "secret", json });
    accepted += publicationOf(answer).accepted;
  }
  return accepted;
}

/** What `GET events/queue-status` answers. */
export async function queueStatus({ env }: TestStack): Promise<z.output<typeof statusSchema>> {
  const answer = await functionsOf(env)("GET", "events/queue-status", { as: "secret" });
  return statusSchema.parse(answer.body);
}

/**
 * Waits until every event was handled.
 *
 * @throws Error where no event is handled for 75 s
 */
export async function settled(stack: TestStack): Promise<void> {
  for (let pending = Infinity; pending > 0;) {
    const before = pending;
    pending = await eventually(async () => {
      const { pending_events: now } = await queueStatus(stack);
      if (now >= before) throw new Error(`${now} events wait, and nobody handles them`);
      return now;
    });
  }
}
