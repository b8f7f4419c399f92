import { readdir } from "node:fs/promises";
import { expect, test } from "vitest";
import { prepareCluster, SUPERUSER } from "../../supabase/local/postgres/cluster.ts";
import { findOsUser } from "../../supabase/local/postgres/os-user.ts";
import { freePort } from "../../supabase/local/ports.ts";
import { Service } from "../../supabase/local/supervisor/service.ts";
import { tempFolder } from "../support/temp-folder.ts";

const secrets = { databasePassword: "a password", vaultKey: "0".repeat(64) };

async function modeOf(path: string): Promise<string> {
  return ((await Deno.stat(path)).mode! & 0o7777).toString(8);
}

test.runIf(Deno.uid() === 0).each([["1777", "1777"], ["2750", "2751"]])(
  "of a folder's mode %s only the way through for the server's user changes: %s",
  async (before, after) => {
    await using folder = await tempFolder();
    await Deno.chmod(folder.path, Number.parseInt(before, 8));
    await prepareCluster(folder.path, secrets);
    expect(await modeOf(folder.path)).toBe(after);
  },
);

test("what boots that were cut short have left is gone, and disturbs no later one", async () => {
  await using folder = await tempFolder();
  const leftovers = ["postgres.unfinished", "postgres.unfinished-earlier"];
  for (const name of leftovers) {
    await Deno.mkdir(`${folder.path}/${name}`);
    await Deno.writeTextFile(`${folder.path}/${name}/PG_VERSION`, "17");
  }
  await Deno.writeTextFile(`${folder.path}/postgres.unfinished.password`, "a password");
  await prepareCluster(folder.path, secrets);
  expect(await readdir(folder.path)).toEqual(["postgres"]);
  expect(await readdir(`${folder.path}/postgres`)).toContain("vault.key");
});

test.each([
  [
    'FATAL:  could not write lock file "postmaster.pid": No space left on device',
    "make room for it",
  ],
  [
    'FATAL:  lock file "postmaster.pid" already exists',
    "a PostgreSQL of before still runs on it: wait for it or end it",
  ],
  [
    "FATAL:  pre-existing shared memory block (key 16, ID 5) is still in use",
    "a PostgreSQL of before still runs on it: wait for it or end it",
  ],
])("this is no reason to delete the database: %s", async (said, remedy) => {
  await using folder = await tempFolder();
  const cluster = await prepareCluster(folder.path, secrets);
  const { explainFailure } = cluster.service(1, "postgresql://127.0.0.1:1/postgres");
  expect(explainFailure?.([said])).toBe(
    `The database in ${folder.path}/postgres cannot be started (${said}): ${remedy}, nothing is lost.`,
  );
});

async function startAndStop(dataFolder: string): Promise<void> {
  const cluster = await prepareCluster(dataFolder, secrets);
  const port = freePort();
  const url = `postgresql://${SUPERUSER}:a%20password@127.0.0.1:${port}/postgres`;
  const server = new Service(cluster.service(port, url), () => {}, () => {});
  await server.start();
  await server.stop();
}

test.each([
  ["another program's process", "sleep", ["60"]],
  ["another PostgreSQL's process", "/bin/sh", ["-c", "read -r _ # as of another postgres"]],
])("a lock file that names %s keeps no server from starting", async (_, command, args) => {
  await using folder = await tempFolder();
  await prepareCluster(folder.path, secrets);
  // PostgreSQL minds the processes of its own user only.
  const osUser = await findOsUser(`${folder.path}/postgres`);
  await using other = new Deno.Command(command, {
    args,
    cwd: "/",
    stdin: "piped",
    ...(osUser ? { uid: osUser.uid, gid: osUser.gid } : {}),
  }).spawn();
  const lockFile = `${folder.path}/postgres/postmaster.pid`;
  await Deno.writeTextFile(lockFile, `${other.pid}\n${folder.path}/postgres\n`, { mode: 0o600 });
  if (osUser) await Deno.chown(lockFile, osUser.uid, osUser.gid);
  await startAndStop(folder.path);
});

test.runIf(Deno.uid() === 0)("root runs a database that another user has made", async () => {
  await using folder = await tempFolder();
  await prepareCluster(folder.path, secrets);
  const { success } = await new Deno.Command("chown", {
    args: ["-R", "12345:12345", `${folder.path}/postgres`],
  }).output();
  expect(success).toBe(true);
  await startAndStop(folder.path);
});
