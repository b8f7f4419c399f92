import { randomBytes } from "node:crypto";
import type postgres from "postgres";
import { freePort } from "../ports.ts";
import { Service } from "../supervisor/service.ts";
import { bootstrap } from "./bootstrap.ts";
import { prepareCluster, SUPERUSER } from "./cluster.ts";
import { connect } from "./connect.ts";

/** A bootstrapped database of a {@link ScratchCluster}. */
export interface ScratchDatabase {
  /** As role `postgres`, as whom migrations run. */
  url: string;
  /** One connection as role `postgres`; ends with the cluster. */
  sql: postgres.Sql;
}

/** A server of its own on a free port, for as long as one command or one test file runs. */
export interface ScratchCluster extends AsyncDisposable {
  /** A database with what a Supabase project has before its first migration. */
  createDatabase(): Promise<ScratchDatabase>;
}

const ENDINGS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Starts a server in a new temporary folder. Disposing of it ends the server and deletes the folder; so
 * does a signal that ends this process.
 *
 * @throws StackError with one line that says what to do; nothing is left running
 */
export async function startScratchCluster(): Promise<ScratchCluster> {
  const folder = await Deno.makeTempDir({ prefix: "phoenix-scratch-" });
  const port = freePort();
  const password = randomBytes(16).toString("hex");
  // The server speaks no TLS, whatever PGSSLMODE asks of the programs that are given the URL.
  const urlOf = (role: string, database: string) =>
    `postgresql://${role}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`;
  const connections: postgres.Sql[] = [];
  const open = (url: string) => {
    const sql = connect(url);
    connections.push(sql);
    return sql;
  };
  let service: Service | undefined;
  let databases = 0;

  let disposing: Promise<void> | undefined;
  const dispose = () => disposing ??= end();

  async function end(): Promise<void> {
    await Promise.all(connections.map((sql) => sql.end({ timeout: 1 })));
    await service?.stop();
    await Deno.remove(folder, { recursive: true });
    for (const signal of ENDINGS) Deno.removeSignalListener(signal, interrupted);
  }

  function interrupted(): void {
    dispose().finally(() => Deno.exit(130));
  }
  for (const signal of ENDINGS) Deno.addSignalListener(signal, interrupted);

  try {
    const superuserUrl = urlOf(SUPERUSER, "postgres");
    const cluster = await prepareCluster(folder, {
      databasePassword: password,
      vaultKey: randomBytes(32).toString("hex"),
    });
    service = new Service(cluster.service(port, superuserUrl), () => {}, () => {});
    await service.start();
    const admin = open(superuserUrl);
    // The roles, which all databases of a server share.
    await bootstrap(admin, password);
    return {
      async createDatabase() {
        const name = `scratch_${++databases}`;
        await admin.unsafe(`create database ${name}`);
        const superuser = connect(urlOf(SUPERUSER, name));
        try {
          await bootstrap(superuser, password);
        } finally {
          await superuser.end();
        }
        const url = urlOf("postgres", name);
        return { url, sql: open(url) };
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}
