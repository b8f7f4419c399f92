import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findRedisServer } from "../../supabase/local/redis/find-redis.ts";
import { startStack } from "../../supabase/local/stack.ts";
import { StackError } from "../../supabase/local/stack-error.ts";
import { alive, descendants } from "../support/processes.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { fixtureOptions } from "./fixtures/stack.ts";

let whole: Awaited<ReturnType<typeof tempFolder>>;

beforeAll(async () => {
  whole = await tempFolder();
  const stack = await startStack(fixtureOptions(`${whole.path}/data`));
  await stack.stop();
});

afterAll(async () => {
  await whole?.[Symbol.asyncDispose]();
});

/** Boots on a copy of a good data folder that has been damaged, and returns the one line that says so. */
async function bootDamaged(damage: (dataDir: string) => Promise<void>): Promise<string> {
  await using folder = await tempFolder();
  const dataDir = `${folder.path}/data`;
  await new Deno.Command("cp", { args: ["-a", `${whole.path}/data`, dataDir] }).output();
  await damage(dataDir);
  const before = await descendants(Deno.pid);
  const error: unknown = await startStack(fixtureOptions(dataDir)).catch((error) => error);
  const left = (await descendants(Deno.pid)).filter((pid) => !before.includes(pid));
  expect(await alive(left)).toEqual([]);
  expect(error).toBeInstanceOf(StackError);
  const { message } = error as StackError;
  expect(message).not.toContain("\n");
  return message;
}

test("a copy that is not damaged boots", async () => {
  await using folder = await tempFolder();
  const dataDir = `${folder.path}/data`;
  await new Deno.Command("cp", { args: ["-a", `${whole.path}/data`, dataDir] }).output();
  const stack = await startStack(fixtureOptions(dataDir));
  await stack.stop();
});

test("a database without its version", async () => {
  const message = await bootDamaged((dataDir) => Deno.remove(`${dataDir}/postgres/PG_VERSION`));
  expect(message).toMatch(
    /database in .* cannot be started .*not a valid data directory.*delete the data folder/,
  );
});

test("a database whose control file is cut short", async () => {
  const message = await bootDamaged((dataDir) =>
    Deno.truncate(`${dataDir}/postgres/global/pg_control`, 100)
  );
  expect(message).toMatch(/database in .* cannot be started .*delete the data folder/);
});

test("a QStash file that is none", async () => {
  const message = await bootDamaged((dataDir) =>
    Deno.writeFile(`${dataDir}/qstash.sqlite`, randomBytes(500))
  );
  expect(message).toMatch(/qstash\.sqlite cannot be read .*file is not a database.*delete it/);
});

test.skipIf(!findRedisServer())("a Redis file whose end is none", async () => {
  const message = await bootDamaged(async (dataDir) => {
    const folder = `${dataDir}/redis/appendonlydir`;
    const name = (await readdir(folder)).find((each) => each.endsWith(".incr.aof"));
    await Deno.writeFile(`${folder}/${name}`, randomBytes(500), { append: true });
  });
  expect(message).toMatch(/^redis-server ended while starting: .*incr\.aof/);
});

test("secrets that cannot be read", async () => {
  const message = await bootDamaged((dataDir) =>
    Deno.writeTextFile(`${dataDir}/secrets.json`, "{")
  );
  expect(message).toMatch(/secrets\.json is unreadable.*delete/);
});

test("secrets that are another folder's", async () => {
  const message = await bootDamaged((dataDir) => Deno.remove(`${dataDir}/secrets.json`));
  expect(message).toMatch(/secrets\.json is not that of its database.*delete/);
});

test("a file where the data folder should be", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const boot = startStack(fixtureOptions(`${folder.path}/file`));
  await expect(boot).rejects.toThrow(/cannot be used .*PHOENIX_DATA_DIR/);
});

test("a file where the logs should be", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/logs`, "");
  const boot = () => startStack(fixtureOptions(folder.path));
  await expect(boot()).rejects.toThrow(/logs cannot be used .*PHOENIX_DATA_DIR/);
  // The folder is free again, which a lock left behind would deny.
  await expect(boot()).rejects.toThrow(/logs cannot be used/);
});

test.runIf(Deno.uid() === 0)(
  "a link to a folder that the user postgres cannot get to",
  async () => {
    await using folder = await tempFolder();
    await Deno.mkdir(`${folder.path}/closed/data`, { recursive: true });
    await Deno.chmod(`${folder.path}/closed`, 0o700);
    await Deno.symlink(`${folder.path}/closed/data`, `${folder.path}/link`);
    const boot = startStack(fixtureOptions(`${folder.path}/link`));
    await expect(boot).rejects.toThrow(/cannot enter .*\/closed: set PHOENIX_DATA_DIR/);
  },
);

test.runIf(Deno.uid() === 0)("a folder that the user postgres cannot enter", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(`${folder.path}/closed`, { mode: 0o700 });
  const boot = startStack(fixtureOptions(`${folder.path}/closed/data`));
  await expect(boot).rejects.toThrow(/cannot enter .*\/closed: set PHOENIX_DATA_DIR/);
});

test("a migration older than what is applied is refused by name, as it would be where it is deployed", async () => {
  await using folder = await tempFolder();
  const migrationsDir = `${folder.path}/migrations`;
  await Deno.mkdir(migrationsDir);
  await Deno.writeTextFile(
    `${migrationsDir}/2_second.sql`,
    "create table public.two (id integer);",
  );
  const options = { ...fixtureOptions(`${folder.path}/data`), migrationsDir };
  await (await startStack(options)).stop();
  await Deno.writeTextFile(`${migrationsDir}/1_first.sql`, "create table public.one (id integer);");
  await expect(startStack(options)).rejects.toThrow(
    "Rename what is older than the last applied migration to a later timestamp: 1_first.sql.",
  );
  await Deno.rename(`${migrationsDir}/1_first.sql`, `${migrationsDir}/3_first.sql`);
  await (await startStack(options)).stop();
});

test("a migration that fails is named and leaves no trace", async () => {
  await using folder = await tempFolder();
  const migrationsDir = `${folder.path}/migrations`;
  await Deno.mkdir(migrationsDir);
  await Deno.writeTextFile(`${migrationsDir}/1_good.sql`, "create table public.good (id integer);");
  await Deno.writeTextFile(
    `${migrationsDir}/2_bad.sql`,
    "create table public.bad (id integer); select 1/0;",
  );
  const options = { ...fixtureOptions(`${folder.path}/data`), migrationsDir };
  await expect(startStack(options)).rejects.toThrow(
    /Migration 2_bad\.sql failed \(division by zero\)/,
  );
  await Deno.writeTextFile(`${migrationsDir}/2_bad.sql`, "create table public.bad (id integer);");
  const stack = await startStack(options);
  await stack.stop();
});
