import { join, resolve } from "node:path";
import { reason, StackError } from "./stack-error.ts";

/**
 * The folder that holds all a stack keeps, locked for this process. The operating system lets go of the lock when the
 * process ends, however it ends, so a lock is never stale; the process id in it is for people.
 */
export interface DataFolder {
  path: string;
  /** Whether the stack before was killed, or ended while it was booting: it did not unlock the folder. */
  wasCutOff: boolean;
  unlock(): void;
}

/**
 * Makes the folder where it is missing and locks it.
 *
 * @throws StackError when another stack holds it, or when it cannot be written
 */
export async function lockDataFolder(folder: string): Promise<DataFolder> {
  const path = resolve(folder);
  let file: Deno.FsFile;
  try {
    await Deno.mkdir(path, { recursive: true });
    file = await Deno.open(lockPath(path), { create: true, read: true, write: true });
  } catch (error) {
    throw unusable(path, error);
  }
  if (!await lockSoon(file)) {
    const pid = (await Deno.readTextFile(lockPath(path))).trim();
    file.close();
    throw new StackError(
      `A stack already runs on ${path} (process ${pid}): stop it, or set PHOENIX_DATA_DIR to another folder.`,
    );
  }
  let wasCutOff: boolean;
  try {
    wasCutOff = (await file.stat()).size > 0;
    await file.truncate();
    await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw unusable(path, error);
  }
  return {
    path,
    wasCutOff,
    unlock() {
      file.truncateSync();
      file.close();
    },
  };
}

/** Takes the lock, unless somebody holds it for longer than the moment for which isLocked() takes it. */
async function lockSoon(file: Deno.FsFile): Promise<boolean> {
  const deadline = performance.now() + 200;
  while (!await file.tryLock(true)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/**
 * Whether a stack runs on this folder now.
 *
 * @throws StackError when that cannot be told, as for another user's folder
 */
export async function isLocked(folder: string): Promise<boolean> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(lockPath(resolve(folder)), { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw unusable(resolve(folder), error);
  }
  // Shared with all who ask at the same time.
  const free = await file.tryLock(false);
  file.close();
  return !free;
}

/**
 * Makes a folder within, or takes the one that is there, so that no other user of the machine can look into it: what users have
 * sent passes through Redis, QStash and the logs.
 *
 * @throws StackError when it cannot be made
 */
export function makePrivateFolder(path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
    Deno.chmodSync(path, 0o700);
  } catch (error) {
    throw unusable(path, error);
  }
}

/**
 * What came of work on files of a data folder.
 *
 * @throws StackError in one line, whatever kept the work from being done
 */
export async function inDataFolder<Result>(path: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof StackError ? error : unusable(path, error);
  }
}

function unusable(path: string, error: unknown): StackError {
  const why = reason(error);
  const room = why.includes("No space left on device") ? "make room for it, or " : "";
  return new StackError(
    `The data folder ${path} cannot be used (${why}): ${room}set PHOENIX_DATA_DIR to another.`,
  );
}

function lockPath(folder: string): string {
  return join(folder, "stack.lock");
}
