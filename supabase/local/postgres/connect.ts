import postgres from "postgres";
import { StackError } from "../stack-error.ts";

/** What all connections of the stack have in common. */
export const CONNECTION_OPTIONS = {
  onnotice: () => {},
  connect_timeout: 5,
  // Seconds between attempts. The database is on this machine: when it is back, nobody should wait.
  backoff: () => 0.1,
};

/**
 * Connections of the stack's own to its database, one unless told otherwise.
 *
 * @param options.name what the server lists them as
 */
export function connect(url: string, options: { max?: number; name?: string } = {}): postgres.Sql {
  return postgres(url, {
    ...CONNECTION_OPTIONS,
    max: options.max ?? 1,
    connection: { application_name: options.name ?? "phoenix-stack" },
  });
}

const ANSWER_WITHIN_MS = 5_000;

/**
 * Whether the server answers on this URL.
 *
 * @throws StackError when it answers that the password is wrong
 */
export async function isServing(url: string): Promise<boolean> {
  const sql = connect(url);
  // The client would go on asking for ever what is no PostgreSQL.
  const timer = setTimeout(() => sql.end({ timeout: 0 }), ANSWER_WITHIN_MS);
  try {
    await sql`select 1`;
    return true;
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === "28P01") {
      throw new StackError(
        "The data folder is damaged (its secrets.json is not that of its database): " +
          "restore the folder, or delete it to begin anew.",
      );
    }
    return false;
  } finally {
    clearTimeout(timer);
    await sql.end({ timeout: 0 });
  }
}
