import { z } from "zod";
import type { Database } from "../platform/database.ts";

/** What a user can do with a nudge. */
export const nudgeSteps = ["shown", "clicked", "dismissed"] as const;
export type NudgeStep = (typeof nudgeSteps)[number];

/** A user's nudges that have neither been seen nor expired, oldest first, 100 at most. One short query: apps ask for them all the time. */
export function pendingNudges(database: Database, userId: string) {
  return database`
    select
      nudge_id, nudge_type, target_app, title, message, cta_label, cta_url, variant, sent_at as created_at, expires_at
    from public.phoenix_nudges_sent
    where user_id = ${userId} and status = 'pending' and expires_at > now()
    order by sent_at
    limit 100
  `;
}

/** What the address of a nudge names. */
export const nudgeAddress = z.object({ nudge_id: z.guid() });

/**
 * Takes a step of a user's nudge; one that was taken before, or that its status does not allow, changes nothing.
 *
 * @returns the nudge, or nothing where the user has no such nudge
 */
export async function markNudge(
  database: Database,
  userId: string,
  nudge: string,
  step: NudgeStep,
): Promise<Record<string, unknown> | undefined> {
  const [row] = await database`
    select
      nudge_id, nudge_type, app_source, target_app, title, message, cta_label, cta_url, variant, sent_at as created_at, expires_at,
      shown_at, clicked_at, dismissed_at, converted_at, success, status
    from flywheel.mark_nudge(${userId}, ${nudge}, ${step})
  `;
  return row;
}
