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

/** From how many events on a backlog is counted only now and then, and for how many milliseconds its number stands. */
const large = { events: 10_000, ms: 5_000 };

/**
 * Counts for one instance how many events wait to be folded, and nothing else, which may take longer to count. It is asked at each
 * ring, and a large backlog takes seconds to count: then one count is for all who ask while it goes on, and for a while afterwards.
 */
export function createPendingEvents(database: Database): () => Promise<number> {
  let shared: { count: Promise<number>; until: number } | undefined;

  async function countEvents(): Promise<number> {
    const [row] = await database<{ pending_events: string }[]>`select flywheel.pending_events()`;
    return Number(row!.pending_events);
  }

  return async () => {
    if (shared && performance.now() < shared.until) return await shared.count;
    const count = countEvents();
    if (shared) shared = { count, until: Infinity };
    let events = 0;
    try {
      return events = await count;
    } finally {
      shared = events >= large.events ? { count, until: performance.now() + large.ms } : undefined;
    }
  };
}
