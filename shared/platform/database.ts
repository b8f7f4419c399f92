import postgres from "postgres";
import { parseJson } from "./parse-json.ts";

export type Database = postgres.Sql;

/** JSON as text, so that what was sent arrives as it was sent, to the last digit. */
export type JsonText = string;

/**
 * Connections to Postgres as `service_role`, opened when they are needed and closed when they are not: an edge function's
 * instance lives for minutes and there may be many.
 *
 * @param url `SUPABASE_DB_URL`, or a connection string of one's own
 */
export function connect(url: string): Database {
  return postgres(url, {
    max: 4,
    idle_timeout: 20,
    connect_timeout: 10,
    onnotice: () => {},
    types: {
      // The types json and jsonb.
      json: { to: 114, from: [114, 3802], serialize: JSON.stringify, parse: parseJson },
    },
    connection: { application_name: "phoenix-flywheel", role: "service_role" },
  });
}

/** What the database refused on purpose: an error whose code is PT and an HTTP status. */
export interface Refusal {
  status: number;
  code: string;
  message: string;
}

/** @returns nothing for an error that is not a refusal */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof postgres.PostgresError) || !/^PT\d{3}$/.test(error.code)) return undefined;
  return {
    status: Number(error.code.slice(2)),
    code: error.detail ?? "refused",
    message: error.message,
  };
}
