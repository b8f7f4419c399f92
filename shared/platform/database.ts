import postgres from "postgres";
import { parseJson } from "./parse-json.ts";

export type Database = postgres.Sql;

/** JSON as text, so that what was sent arrives as it was sent, to the last digit. */
export type JsonText = string;

/**
 * Connections to Postgres as `service_role`, opened when they are needed and closed when they are not: an edge function's
 * instance lives for minutes and there may be many.
 *
 * Once one of them is lost, what comes next has new ones. Through a connection that was lost while it was about to send something the
 * client may never send anything again, and what waited for it may never be told (https://github.com/porsager/postgres/issues/1208):
 * so those before are given a few seconds for what they are at, and then closed, which tells everybody.
 *
 * @param url `SUPABASE_DB_URL`, or a connection string of one's own
 */
export function connect(url: string): Database {
  let current = openPool(url);
  const left = new Set<Database>();

  function leave(pool: Database): void {
    if (pool !== current) return;
    current = openPool(url);
    left.add(pool);
    setTimeout(async () => {
      await pool.end({ timeout: 0 }).catch(() => {});
      left.delete(pool);
    }, leaveMs);
  }

  async function end(options?: { timeout?: number }): Promise<void> {
    await Promise.allSettled([current, ...left].map((pool) => pool.end(options)));
  }

  return new Proxy(current, {
    apply(_, __, asked) {
      const pool = current;
      const query: { reject?: (error: unknown) => void } = Reflect.apply(pool, undefined, asked);
      const { reject } = query;
      if (reject) {
        query.reject = (error) => {
          if (isLost(error)) leave(pool);
          reject(error);
        };
      }
      return query;
    },
    get: (_, name) => name === "end" ? end : Reflect.get(current, name),
  });
}

/** How long connections beside one that was lost may go on with what they are at, in milliseconds. */
const leaveMs = 5_000;

function openPool(url: string): Database {
  return postgres(url, {
    max: 4,
    idle_timeout: 20,
    connect_timeout: 10,
    // Whoever asks is told at once that nobody answers; whether to wait is for them to say.
    backoff: () => 0,
    onnotice: () => {},
    // To ask for them is a query of the client's own, at each connection's start; where it is lost nobody can catch that.
    fetch_types: false,
    types: {
      // The types json and jsonb.
      json: { to: 114, from: [114, 3802], serialize: JSON.stringify, parse: parseJson },
      texts: listOf(1009),
      uuids: listOf(2951),
    },
    connection: { application_name: "phoenix-flywheel", role: "service_role" },
  });
}

/** A type of lists of text, to be sent: what comes back is rows or JSON. */
function listOf(oid: number) {
  return {
    to: oid,
    from: [],
    serialize: (list: readonly (string | null)[]) =>
      `{${
        list.map((each) => each === null ? "null" : `"${each.replace(/["\\]/g, "\\$&")}"`).join()
      }}`,
    parse: (text: string) => text,
  };
}

/** Whether an error says that the database does not answer: what was asked may have been done, or not. */
export function isUnreachable(error: unknown): boolean {
  // Connection refused, lost or not accepted: postgres.js's and the system's codes, and classes 08, 57P and 53 of Postgres.
  return /^(ECONN|CONNECT|CONNECTION_|ETIMEDOUT|EPIPE|08|57P|53)/.test(codeOf(error));
}

/** Whether an error says that a connection is gone which there was: one that is refused says nothing of those beside it. */
function isLost(error: unknown): boolean {
  return /^(ECONNRESET|ETIMEDOUT|EPIPE|CONNECTION_CLOSED|57P0[125])/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Whether the database has said what is wrong, and is still there to be asked again. */
export function isAnswer(error: unknown): error is postgres.PostgresError {
  return error instanceof postgres.PostgresError && !isUnreachable(error);
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
