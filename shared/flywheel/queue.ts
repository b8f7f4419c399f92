import type { Database } from "../platform/database.ts";

/** How the flywheel stands. */
export interface QueueStatus {
  status: "idle" | "processing" | "backlogged";
  pending_events: number;
  pending_users: number;
  leased_users: number;
  oldest_pending_seconds: number;
  dead_letters: number;
  failed_deliveries: number;
  processed_total: number;
}

/** How many users and events wait, are leased or set aside, and what the workers do. */
export async function queueStatus(database: Database): Promise<QueueStatus> {
  const [row] = await database<{ queue_status: QueueStatus }[]>`select flywheel.queue_status()`;
  return row!.queue_status;
}

/** How many events wait to be folded, and nothing else, which may take longer to count. */
export async function pendingEvents(database: Database): Promise<number> {
  const [row] = await database<{ pending_events: string }[]>`select flywheel.pending_events()`;
  return Number(row!.pending_events);
}
