import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { inject } from "vitest";
import { connect, type Database } from "../../shared/platform/database.ts";
import { bootstrap } from "../../supabase/local/postgres/bootstrap.ts";
import { applySchemaFiles } from "../../supabase/local/postgres/schema-files.ts";
import type {} from "./stack.ts";

const TEMPLATE = "phoenix_template";
const INSTALL = fileURLToPath(new URL("../../sql/install.sql", import.meta.url));

/**
 * A database of a test's own on the server that the run shares: the schema as `sql/` makes it, and nobody else who works in it. So
 * a test may change settings, set the clock of a row back, and be its only worker.
 */
export interface TestDatabase extends AsyncDisposable {
  /** Connections as `postgres`, who owns the schema. */
  admin: postgres.Sql;
  /** Connections as the superuser. */
  superuser: postgres.Sql;
  /** Connections as a function opens them, of this caller's own. */
  connect(): Database;
  /** One such connection. */
  connectOnce(): Database;
  /** Where `postgres` logs in, for processes of their own. */
  url: string;
  /** Where the superuser logs in. */
  superuserUrl: string;
}

/** Makes such a database, a copy of a template that the first call of the run makes. It is dropped when it is disposed of. */
export async function testDatabase(): Promise<TestDatabase> {
  const { DB_URL, SUPERUSER_DB_URL } = inject("stack");
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const server = open(SUPERUSER_DB_URL, 1);
  try {
    await makeTemplate(server, DB_URL, SUPERUSER_DB_URL);
    await server.unsafe(`create database ${name} template ${TEMPLATE} owner postgres`);
  } finally {
    await server.end();
  }

  const url = inDatabase(DB_URL, name);
  const superuserUrl = inDatabase(SUPERUSER_DB_URL, name);
  const superuser = open(superuserUrl, 2);
  const admin = open(url, 4);
  const connections: Database[] = [];
  const keep = (database: Database) => {
    connections.push(database);
    return database;
  };
  return {
    admin,
    superuser,
    url,
    superuserUrl,
    connect: () => keep(connect(url)),
    connectOnce: () =>
      keep(postgres(url, { max: 1, onnotice() {}, connection: { role: "service_role" } })),
    async [Symbol.asyncDispose]() {
      await Promise.all([admin, superuser, ...connections].map((each) => each.end({ timeout: 1 })));
      const last = open(SUPERUSER_DB_URL, 1);
      await last.unsafe(`drop database ${name} with (force)`);
      await last.end();
    },
  };
}

/** Makes the template, unless another test has made it. */
async function makeTemplate(server: postgres.Sql, url: string, superuserUrl: string) {
  await server`select pg_advisory_lock(hashtext(${TEMPLATE}))`;
  try {
    const [made] = await server`select from pg_database where datname = ${TEMPLATE}`;
    if (made) return;
    const unfinished = `${TEMPLATE}_unfinished`;
    await server.unsafe(`drop database if exists ${unfinished} with (force)`);
    await server.unsafe(`create database ${unfinished} template template0`);
    const superuser = open(inDatabase(superuserUrl, unfinished), 1);
    await bootstrap(superuser, decodeURIComponent(new URL(url).password));
    await superuser.end();
    const owner = open(inDatabase(url, unfinished), 1);
    await applySchemaFiles(owner, INSTALL);
    await owner.end();
    await server.unsafe(`alter database ${unfinished} rename to ${TEMPLATE}`);
  } finally {
    await server`select pg_advisory_unlock(hashtext(${TEMPLATE}))`;
  }
}

function open(url: string, max: number): postgres.Sql {
  return postgres(url, { max, onnotice() {}, connection: { application_name: "phoenix-test" } });
}

/** A server's URL with another database in it. */
export function inDatabase(url: string, name: string): string {
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}
