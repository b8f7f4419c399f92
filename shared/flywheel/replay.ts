import { z } from "zod";
import type { Database } from "../platform/database.ts";

/** A time in ISO 8601 with `Z` or an offset, as far as Postgres reads what JavaScript does. */
const time = z.iso.datetime({ offset: true, abort: true }).refine((text) => {
  const year = new Date(text).getUTCFullYear();
  return year >= 1 && year <= 9999 && !/[+-](?:1[6-9]|2\d):\d\d$/.test(text);
}, "must lie in the years 1 to 9999 in UTC, at an offset of less than 16 hours");

/** Whom to fold anew: everybody where nothing is said. */
export const reprocessRequest = z.strictObject({
  user_id: z.guid().optional(),
  /** ISO 8601: users with events received since then. */
  since: time.optional(),
  only_failed: z.boolean().default(false),
});

export type ReprocessRequest = z.output<typeof reprocessRequest>;

/** What is to be folded anew. */
export interface Replay {
  users: number;
  events: number;
}

/** How the last replays stand. */
export interface ReplayProgress {
  /** Users who were set back and are not folded up to date yet, and their events that are still to be folded. */
  pending_users: number;
  pending_events: number;
  /** Newest first. Times are ISO 8601. */
  replays: {
    replay_id: string;
    status: "running" | "finished" | "stopped";
    user_id: string | null;
    since: string | null;
    only_failed: boolean;
    asked_at: string;
    users_total: number;
    events_total: number;
    /** Users set back so far, and their events. */
    users: number;
    events: number;
    finished_at: string | null;
    stopped_at: string | null;
  }[];
}

/** Has users folded anew from their first event, the first of them at once and the others piece by piece, and rings. */
export async function reprocess(
  database: Database,
  { user_id, since, only_failed }: ReprocessRequest,
): Promise<Replay> {
  const [row] = await database<{ reprocess: Replay }[]>`
    select flywheel.reprocess(${user_id ?? null}, ${since ?? null}, ${only_failed})
  `;
  await database`select flywheel.ring()`;
  return row!.reprocess;
}

/** How the last ten replays stand, and how much of them is still to be folded. */
export async function replayProgress(database: Database): Promise<ReplayProgress> {
  const [row] = await database<{ replay_progress: ReplayProgress }[]>`
    select flywheel.replay_progress()
  `;
  return row!.replay_progress;
}

/** Stops what is under way: nobody more is set back; who has been is folded to the end. @returns how many replays it stopped */
export async function stopReplays(database: Database): Promise<{ stopped: number }> {
  const [row] = await database<{ stopped: number }[]>`select flywheel.stop_replays() as stopped`;
  return row!;
}
