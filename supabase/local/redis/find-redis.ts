import { statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Finds the `redis-server` of this machine.
 *
 * @param path the folders to look in, as `PATH` lists them
 * @returns the program's path, or nothing where Redis is not installed
 */
export function findRedisServer(path = Deno.env.get("PATH") ?? ""): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "redis-server"))
    .find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    const found = statSync(file);
    return found.isFile() && (found.mode & 0o111) !== 0;
  } catch {
    // PATH may name folders that are missing, closed to us, or files.
    return false;
  }
}

/**
 * The arguments that run `redis-server` in the foreground for this machine alone. Every write goes to an append-only
 * file, so that a restart keeps the data; snapshots are off.
 *
 * @param options.port the port on 127.0.0.1
 * @param options.dataFolder an existing folder that is Redis's own
 */
export function redisServerArguments(options: { port: number; dataFolder: string }): string[] {
  return Object.entries({
    port: String(options.port),
    bind: "127.0.0.1",
    "protected-mode": "yes",
    daemonize: "no",
    dir: options.dataFolder,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    loglevel: "warning",
  }).flatMap(([name, value]) => [`--${name}`, value]);
}
