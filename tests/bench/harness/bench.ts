import postgres from "postgres";
import { type Stack, startStack } from "../../../supabase/local/stack.ts";
import { type Contender, type Result, run } from "./contender.ts";
import type { Measure } from "./measure.ts";

/** How much is measured. */
export interface Sizes {
  events: number;
  users: number;
  /** Events a publication. */
  batch: number;
  /** Connections, and workers. */
  clients: number;
  /** Times that everything is measured; the median counts. */
  runs: number;
}

/** The server that a benchmark runs on, ours and its peers'. */
export interface Bench {
  readonly sizes: Sizes;
  /** Whether this is a smoke check with small sizes, whose figures mean nothing. */
  readonly quick: boolean;
  readonly stack: Stack;
  /** A connection as superuser. */
  readonly admin: postgres.Sql;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Says on standard error what is going on. */
  progress(text: string): void;
  /** Empties every table that a new project has empty. */
  reset(): Promise<void>;
  /** A new, empty database of a peer's own, in place of the one of that name: @returns its URL */
  peerDatabase(name: string): Promise<string>;
  /**
   * Runs a contender on a server that has nothing else to write.
   *
   * @param prepare makes what it is to work on, once it has warmed up
   */
  race(contender: Contender, prepare?: () => Promise<unknown>): Promise<Result>;
}

/** A part of the benchmark, chosen by its own name or by one of its measures'. */
export interface Suite {
  name: string;
  /** The measures that it promises; it may give others besides. */
  measures: readonly string[];
  measure(bench: Bench): Promise<Measure[]>;
}

/** Boots the server; what rings and sweeps by itself stays silent. */
export async function openBench(
  folder: string,
  { sizes, quick, signal, progress }: Pick<Bench, "sizes" | "quick" | "signal" | "progress">,
): Promise<Bench & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const stack = await startStack({
    dataDir: folder,
    applyMigrations: "sql",
    sweep: false,
    // One for each core, as many as the processes that drain directly.
    serviceEnv: { functions: { FUNCTION_INSTANCES: "2" } },
  });
  opened.defer(() => stack.stop());
  const admin = postgres(stack.env.SUPERUSER_DB_URL, { max: 2, onnotice: () => {} });
  opened.defer(() => admin.end({ timeout: 5 }));
  await stack.service("net").stop();
  const empty = await emptyTables(admin);
  const open = opened.move();
  return {
    sizes,
    quick,
    stack,
    admin,
    signal,
    progress,
    reset: () => truncate(admin, empty),
    async peerDatabase(name) {
      await admin`drop database if exists ${admin(name)} with (force)`;
      await admin`create database ${admin(name)}`;
      const url = new URL(stack.env.SUPERUSER_DB_URL);
      url.pathname = name;
      return url.href;
    },
    race(contender, prepare) {
      return run(contender, {
        signal,
        async prepare() {
          await prepare?.();
          await admin`checkpoint`;
        },
      });
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Empties tables; where that deadlocks with somebody who still holds one of them, it tries again. */
async function truncate(admin: postgres.Sql, tables: readonly string[], tries = 5): Promise<void> {
  try {
    await admin.unsafe(`truncate ${tables.join(", ")}`);
  } catch (error) {
    const isDeadlock = error instanceof postgres.PostgresError && error.code === "40P01";
    if (!isDeadlock || tries === 1) throw error;
    await truncate(admin, tables, tries - 1);
  }
}

async function emptyTables(admin: postgres.Sql): Promise<string[]> {
  const tables = await admin<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('public', 'flywheel', 'net')
  `;
  const empty = [];
  for (const { name } of tables) {
    const [row] = await admin.unsafe(`select from ${name} limit 1`);
    if (!row) empty.push(name);
  }
  return empty;
}
