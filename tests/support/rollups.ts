import type { Database } from "../../shared/platform/database.ts";
import type { Event } from "./flywheel.ts";

/** The id of the user of a number. */
export function userOf(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

/** Publishes as rpc('publish_events') does, without a check of the payloads. */
export async function publishUnchecked(
  database: Database,
  events: readonly Event[],
): Promise<void> {
  if (events.length === 0) return;
  await database`select flywheel.publish(${JSON.stringify({ events })})`;
}

/** What the rollups and the activity lack to equal the log: nothing where they are right. */
export async function wrong(database: Database) {
  return [
    ...await database`select * from flywheel.verify_rollups()`,
    ...await database`select * from flywheel.verify_activity()`,
  ];
}

/** Adds all that commits have left to the rollups. */
export async function mergeAll(database: Database): Promise<void> {
  while ((await database`select flywheel.merge_rollups() as merged`)[0]!.merged > 0);
}
