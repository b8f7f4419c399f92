import { setTimeout as setNodeTimeout } from "node:timers";
import { timeout, TimeoutStrategy } from "cockatiel";
import postgres from "postgres";
import { parseJson } from "./parse-json.ts";

export type Database = postgres.Sql;

/** JSON as text, so that what was sent arrives as it was sent, to the last digit. */
export type JsonText = string;

/**
 * Connections to Postgres as `service_role`, opened when they are needed and closed when they are not: an edge function's
 * instance lives for minutes and there may be many.
 *
 * Once one of them is lost, later queries have new ones. The client may never again send anything through a connection that was lost
 * while it was about to send, and never settle what waits for it (https://github.com/porsager/postgres/issues/1208): so the connections
 * of before are given a few seconds for what they are at, and then closed, which rejects whatever still waits.
 *
 * A query may take its time, as behind somebody's lock. Where one does, a connection of its own finds out whether the database is there
 * at all: where it is not, as with a host that fell silent, the queries that wait with it are rejected.
 *
 * @param url `SUPABASE_DB_URL`, or a connection string of one's own
 * @param silenceMs after how long without an answer to ask, and then how long to wait for one, milliseconds
 */
export function connect(url: string, { silenceMs = 10_000 } = {}): Database {
  let current = openPool(url);
  const left = new Set<Database>();
  const asked = new Map<Query, { pool: Database; at: number }>();
  let watch: ReturnType<typeof setNodeTimeout> | undefined;

  function watchOver(query: Query, pool: Database): void {
    asked.set(query, { pool, at: performance.now() });
    const { resolve, reject } = query;
    query.resolve = (rows) => {
      asked.delete(query);
      resolve(rows);
    };
    query.reject = (error) => {
      asked.delete(query);
      if (isLost(error)) leave(pool);
      reject(error);
    };
    watch ??= setNodeTimeout(look, silenceMs).unref();
  }

  async function look(): Promise<void> {
    const since = performance.now() - silenceMs;
    const silent = new Set<Database>();
    for (const [query, { pool, at }] of asked) {
      // What is never asked is a part of another query.
      if (!query.executed) asked.delete(query);
      else if (at <= since) silent.add(pool);
    }
    if (silent.size > 0 && !await isThere(url, silenceMs)) {
      for (const pool of silent) {
        leave(pool);
        await pool.end({ timeout: 0 }).catch(() => {});
      }
    }
    watch = asked.size > 0 ? setNodeTimeout(look, silenceMs).unref() : undefined;
  }

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
    apply(_, __, args) {
      const pool = current;
      const query: Query | object = Reflect.apply(pool, undefined, args);
      if ("reject" in query) watchOver(query, pool);
      return query;
    },
    get: (_, name) => name === "end" ? end : Reflect.get(current, name),
  });
}

/** How long connections beside one that was lost may go on with what they are at, in milliseconds. */
const leaveMs = 5_000;

/** Of postgres.js's query what it has beyond a promise. */
interface Query {
  executed: boolean;
  resolve(rows: unknown): void;
  reject(error: unknown): void;
}

/** Whether the database answers a new connection within a time, even if only to refuse it. */
async function isThere(url: string, withinMs: number): Promise<boolean> {
  let hasGreeted = false;
  const pool = openPool(url, {
    max: 1,
    connect_timeout: withinMs / 1000,
    onparameter: () => hasGreeted = true,
  });
  try {
    await timeout(withinMs, TimeoutStrategy.Aggressive).execute(() => pool`select 1`);
    return true;
  } catch (error) {
    // A pooler whose connections are all at work greets a client, and has its query wait.
    return hasGreeted || error instanceof postgres.PostgresError;
  } finally {
    await pool.end({ timeout: 0 });
  }
}

function openPool(
  url: string,
  more: Pick<postgres.Options<Record<string, never>>, "max" | "connect_timeout" | "onparameter"> =
    {},
) {
  return postgres(url, {
    ...encryption(url, "prefer"),
    max: 4,
    idle_timeout: 20,
    connect_timeout: 10,
    // A caller is told at once that nobody answers, and decides by itself whether to wait.
    backoff: () => 0,
    onnotice: () => {},
    // Fetching them is a query of the client's own at each connection's start: if that is lost, nobody can catch its error.
    fetch_types: false,
    types: {
      // The types json and jsonb.
      json: { to: 114, from: [114, 3802], serialize: JSON.stringify, parse: parseJson },
      texts: listOf(1009),
      uuids: listOf(2951),
    },
    // A time is read as ISO 8601, however the database writes it for others.
    connection: { application_name: "phoenix-flywheel", role: "service_role", DateStyle: "ISO" },
    ...more,
  });
}

/**
 * Encrypts a connection that leaves this machine, unless its URL says otherwise by `sslmode`.
 *
 * @param wish `prefer` for a server that the platform names, and that may have no TLS
 */
export function encryption(url: string, wish: "prefer" | "require"): { ssl?: typeof wish } {
  const { hostname, searchParams } = new URL(url);
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return isLocal || searchParams.has("sslmode") ? {} : { ssl: wish };
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
  // Its host not found, connection refused, lost or not accepted: postgres.js's and the system's codes, and of Postgres classes 08, 57P,
  // and 53 and 58 for a machine that has run out of something or fails.
  return /^(EAI_|ENOTFOUND|EHOST|ENET|E[MN]FILE|ECONN|CONNECT|ETIMEDOUT|EPIPE|08|57P|53|58)/
    .test(codeOf(error));
}

/** Whether an error says that a statement was stopped for what others do or for its time: nothing was done, and asked again it may be. */
export function wasStopped(error: unknown): boolean {
  // By somebody or by time, while it waited for a lock, or so that another transaction goes on.
  return /^(57014|55P03|40)/.test(codeOf(error));
}

/** Whether an error says that an open connection was lost. That a new one is refused says nothing of those beside it. */
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
