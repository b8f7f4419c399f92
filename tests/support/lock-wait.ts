import type { TestDatabase } from "./database.ts";
import { eventually } from "./eventually.ts";

/**
 * Waits until calls of a function of schema flywheel wait for a lock.
 *
 * @param called the function's name, or its beginning
 * @param calls how many are to wait
 * @returns the process id of the backend of one of them
 */
export function lockWait({ superuser }: TestDatabase, called: string, calls = 1): Promise<number> {
  return eventually(async () => {
    const rows = await superuser<{ pid: number }[]>`
      select pid from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock' and query like ${`%flywheel.${called}(%`}
    `;
    return rows.length >= calls ? rows[0]!.pid : undefined;
  });
}
