import { z } from "zod";
import type { Database } from "../platform/database.ts";

/** How the flywheel stands. */
export interface QueueStatus {
  status: "idle" | "processing" | "backlogged";
  pending_events: number;
  pending_users: number;
  leased_users: number;
  oldest_pending_seconds: number;
  dead_letters: number;
  processed_total: number;
}

export async function queueStatus(database: Database): Promise<QueueStatus> {
  const [row] = await database<{ queue_status: QueueStatus }[]>`select flywheel.queue_status()`;
  return row!.queue_status;
}

/** Whom to fold anew: everybody where nothing is said. */
export const reprocessRequest = z.strictObject({
  user_id: z.guid().optional(),
  /** ISO 8601: users with events received since then. */
  since: z.iso.datetime({ offset: true }).optional(),
  only_failed: z.boolean().default(false),
});

export type ReprocessRequest = z.output<typeof reprocessRequest>;

/** Sets users back to be folded from their first event, and rings. */
export async function reprocess(
  database: Database,
  { user_id, since, only_failed }: ReprocessRequest,
): Promise<{ users: number; events: number }> {
  const [row] = await database<{ reprocess: { users: number; events: number } }[]>`
    select flywheel.reprocess(${user_id ?? null}, ${since ?? null}, ${only_failed})
  `;
  await database`select flywheel.ring()`;
  return row!.reprocess;
}
