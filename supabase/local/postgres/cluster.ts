import { dirname, join } from "node:path";
import { kill } from "node:process";
import { StackError } from "../stack-error.ts";
import { causeIn, type ServiceDefinition } from "../supervisor/service.ts";
import { tether } from "../supervisor/tether.ts";
import { isServing } from "./connect.ts";
import { findBinaries, type PostgresBinaries } from "./binaries.ts";
import { assertReachable, findOsUser, type OsUser } from "./os-user.ts";

/** As on Supabase: the superuser is `supabase_admin`, and `postgres` is none. */
export const SUPERUSER = "supabase_admin";

/** How the names of folders begin in which a database is being made. */
const UNFINISHED = "postgres.unfinished";

interface Cluster {
  folder: string;
  binaries: PostgresBinaries;
  osUser: OsUser | undefined;
}

/** A folder with a database in it. */
export interface PreparedCluster {
  /**
   * The server of this database on a port of 127.0.0.1, without a Unix socket.
   *
   * @param superuserUrl where it answers once it serves
   */
  service(port: number, superuserUrl: string): ServiceDefinition;
}

/** Settings beyond PostgreSQL's own defaults; what bears on durability stays as it is. */
const SETTINGS = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  timezone: "UTC",
  log_timezone: "UTC",
};

/**
 * Makes the database's folder where there is none.
 *
 * @param dataFolder the stack's folder; the database stands in `postgres` within
 * @throws StackError when PostgreSQL is missing or cannot get at the folder
 */
export async function prepareCluster(
  dataFolder: string,
  secrets: { databasePassword: string; vaultKey: string },
): Promise<PreparedCluster> {
  const folder = join(dataFolder, "postgres");
  const [binaries, osUser] = await Promise.all([findBinaries(), findOsUser(folder)]);
  const cluster = { folder, binaries, osUser };
  if (osUser) {
    // Entering is not listing: what is secret in here has a mode of its own.
    const { mode } = await Deno.stat(dataFolder);
    if (mode !== null && !(mode & 0o001)) await Deno.chmod(dataFolder, mode & 0o7777 | 0o001);
    await assertReachable(
      cluster.folder,
      osUser,
      "set PHOENIX_DATA_DIR to a folder that every user can enter, such as one in /var/tmp",
    );
    await assertReachable(
      binaries.postgres,
      osUser,
      "move the project to a folder that every user can enter, or do not run it as root",
    );
  }
  await removeUnfinished(dataFolder);
  if (!await exists(cluster.folder)) await initialise(cluster, secrets);
  else await predecessorGone(cluster.folder);
  return { service: (port, superuserUrl) => defineService(cluster, port, superuserUrl) };
}

async function initialise(
  { folder, binaries, osUser }: Cluster,
  secrets: { databasePassword: string; vaultKey: string },
): Promise<void> {
  // Made aside and then renamed, so that a boot that is cut short leaves no half-made database; under a name of its own, so that
  // no two attempts work on the same one.
  const unfinished = await Deno.makeTempDir({ dir: dirname(folder), prefix: UNFINISHED });
  const data = join(unfinished, "data");
  const passwordFile = join(unfinished, "password");
  const giveAway = async (path: string) => {
    if (osUser) await Deno.chown(path, osUser.uid, osUser.gid);
  };
  try {
    await giveAway(unfinished);
    await Deno.writeTextFile(passwordFile, secrets.databasePassword, { mode: 0o600 });
    await giveAway(passwordFile);
    const initdb = new Deno.Command(binaries.initdb, {
      args: [
        `--pgdata=${data}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        // Saves some thousand fsyncs of files that can be made again; the server itself syncs as ever.
        "--no-sync",
      ],
      cwd: unfinished,
      env: { LC_ALL: "C", PATH: Deno.env.get("PATH") ?? "" },
      clearEnv: true,
      ...(osUser ? { uid: osUser.uid, gid: osUser.gid } : {}),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const cutTether = tether(initdb.pid, "SIGTERM");
    const { success, stderr } = await initdb.output();
    await cutTether();
    if (!success) {
      const lines = new TextDecoder().decode(stderr).trim().split("\n");
      throw new StackError(
        `PostgreSQL could not make its folder ${folder}: ${causeIn(lines)}`,
      );
    }
    const vaultKeyFile = join(data, "vault.key");
    await Deno.writeTextFile(vaultKeyFile, secrets.vaultKey, { mode: 0o600 });
    await giveAway(vaultKeyFile);
    await Deno.rename(data, folder);
  } finally {
    await Deno.remove(unfinished, { recursive: true });
  }
}

/** Removes what boots that were cut short have left. A folder that its own initdb is deleting is left to the next boot. */
async function removeUnfinished(dataFolder: string): Promise<void> {
  for await (const { name } of Deno.readDir(dataFolder)) {
    if (!name.startsWith(UNFINISHED)) continue;
    await Deno.remove(join(dataFolder, name), { recursive: true }).catch(() => {});
  }
}

function defineService(
  { folder, binaries, osUser }: Cluster,
  port: number,
  superuserUrl: string,
): ServiceDefinition {
  const settings = { ...SETTINGS, port: String(port) };
  return {
    name: "postgres",
    command: binaries.postgres,
    args: [
      "-D",
      folder,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    env: { LC_ALL: "C", PATH: Deno.env.get("PATH") ?? "" },
    cwd: folder,
    ...(osUser ? { uid: osUser.uid, gid: osUser.gid } : {}),
    isReady: () => isServing(superuserUrl),
    // Fast shutdown: open transactions are rolled back, everything committed is kept.
    stopSignal: "SIGINT",
    tetherSignal: "SIGINT",
    explainFailure: (lines) => {
      const reason = causeIn(lines) ?? "no reason given";
      const harmless = HARMLESS.find(({ sign }) => lines.some((line) => sign.test(line)));
      const remedy = harmless
        ? `${harmless.remedy}, nothing is lost.`
        : "restore the folder, or delete the data folder to begin anew.";
      return `The database in ${folder} cannot be started (${reason}): ${remedy}`;
    },
  };
}

/** What keeps a server from starting though there is nothing wrong with its folder. */
const HARMLESS = [
  { sign: /No space left on device/, remedy: "make room for it" },
  {
    // A backend goes on computing for a while after its server was killed.
    sign: /lock file .* already exists|shared memory block .* still in use/,
    remedy: "a PostgreSQL of before still runs on it: wait for it or end it",
  },
];

/**
 * Waits for the server of an earlier stack that was cut off, which is about to stop. If its process id now belongs to another
 * program, as after the restart of a container, its lock file is removed: PostgreSQL would take that program for the server.
 */
async function predecessorGone(folder: string): Promise<void> {
  const lockFile = join(folder, "postmaster.pid");
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline && await exists(lockFile)) {
    const pid = Number.parseInt(await Deno.readTextFile(lockFile).catch(() => ""));
    if (!isAlive(pid)) return;
    if (await isOtherProgram(pid, folder)) return await Deno.remove(lockFile);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/**
 * Whether a process is surely not this folder's PostgreSQL, whose working directory is the folder. Where that cannot be seen, any
 * PostgreSQL is taken for it; where the command line cannot be read either, any program is.
 */
async function isOtherProgram(pid: number, folder: string): Promise<boolean> {
  const [own, its] = await Promise.all([
    Deno.stat(folder),
    Deno.stat(`/proc/${pid}/cwd`).catch(() => undefined),
  ]);
  if (its) return its.dev !== own.dev || its.ino !== own.ino;
  const commandLine = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(async () => {
    const ps = new Deno.Command("ps", { args: ["-o", "args=", "-p", String(pid)], stderr: "null" });
    return new TextDecoder().decode((await ps.output()).stdout);
  }).catch(() => "");
  return commandLine.trim() !== "" && !commandLine.includes("postgres");
}

function isAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
