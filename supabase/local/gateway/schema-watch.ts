import { connect } from "../postgres/connect.ts";

const RETRY_MS = 200;

/**
 * Calls back after each change of the database's schema, which event triggers announce on `pgrst` as on Supabase, and each time
 * the connection was lost, since a change may have been missed.
 */
export async function watchSchema(databaseUrl: string, onChange: () => void): Promise<void> {
  const sql = connect(databaseUrl, { name: "phoenix-schema-watch" });
  while (true) {
    try {
      await sql.listen("pgrst", onChange, onChange);
      return;
    } catch {
      // The database is still starting.
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
