import postgres from "postgres";
import { StackError } from "../stack-error.ts";

/** A few connections for the stack's own errands. */
export function connect(url: string, options: { max?: number } = {}): postgres.Sql {
  return postgres(url, {
    max: options.max ?? 1,
    onnotice: () => {},
    connect_timeout: 5,
    connection: { application_name: "phoenix-stack" },
  });
}

/**
 * Whether the server answers on this URL.
 *
 * @throws StackError when it answers that the password is wrong
 */
export async function isServing(url: string): Promise<boolean> {
  const sql = connect(url);
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
    await sql.end({ timeout: 0 });
  }
}
