import postgres from "postgres";
import { openDatabase } from "../open-database.ts";
import { placeOf } from "./database-url.ts";
import { ReportError } from "./report-error.ts";

/**
 * Runs queries with the rights of `phoenix_analyst` and no others, in one transaction that reads and sees one moment.
 *
 * @throws ReportError where the database cannot be reached or has no such role, or the login may not assume it
 */
export async function asAnalyst<Result>(
  url: string,
  read: (sql: postgres.TransactionSql) => Promise<Result>,
): Promise<Result> {
  const database = openDatabase(url, "phoenix-report");
  try {
    return await database.begin("isolation level repeatable read read only", async (sql) => {
      await becomeAnalyst(sql);
      return await read(sql);
    }) as Result;
  } catch (error) {
    // What goes wrong between here and the database has a code.
    if (!(error instanceof Error && "code" in error)) throw error;
    const said = error instanceof postgres.PostgresError ? "says" : "does not answer";
    throw new ReportError(`The database at ${placeOf(url)} ${said}: ${error.message}`, {
      cause: error,
    });
  } finally {
    await database.end({ timeout: 1 });
  }
}

async function becomeAnalyst(sql: postgres.TransactionSql): Promise<void> {
  const [role] = await sql<{ user: string; exists: boolean }[]>`
    select current_user as user, to_regrole('phoenix_analyst') is not null as exists
  `;
  if (!role!.exists) {
    throw new ReportError("The database has no role phoenix_analyst: deploy the schema first.");
  }
  try {
    await sql`set local role phoenix_analyst`;
  } catch (error) {
    throw new ReportError(
      `${role!.user} may not read as an analyst: let an administrator grant phoenix_analyst to it.`,
      { cause: error },
    );
  }
}
