import { settings } from "../../local/settings.ts";
import { readStatus } from "../../local/status-file.ts";
import { faultOfDatabaseUrl } from "../open-database.ts";
import { ReportError } from "./report-error.ts";

/**
 * The database to read: what was asked for, or the environment's, or that of the stack that runs here.
 *
 * @throws ReportError where there is none
 */
export async function databaseUrl(given: string | undefined): Promise<string> {
  if (given) return given;
  const hosted = Deno.env.get("SUPABASE_DB_URL");
  if (hosted) {
    const fault = faultOfDatabaseUrl(hosted);
    if (!fault) return hosted;
    throw new ReportError(`SUPABASE_DB_URL ${fault}.`);
  }
  const { dataDir } = settings();
  const status = await readStatus(dataDir);
  if (status) return status.DB_URL;
  throw new ReportError(
    `No stack runs on ${dataDir}: start one with npm start, or name a database with --db or SUPABASE_DB_URL.`,
  );
}

/** Where a database is, without its user and password. */
export function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
