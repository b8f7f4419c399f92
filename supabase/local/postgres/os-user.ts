import { dirname } from "node:path";
import { StackError } from "../stack-error.ts";

/** The operating system's user that PostgreSQL runs as. */
export interface OsUser {
  name: string;
  uid: number;
  gid: number;
}

/**
 * PostgreSQL refuses to run as root, and as a user who does not own its folder. So root runs it as the folder's owner; where the folder
 * is still to be made, as `postgres`, or as `nobody` where there is no such user.
 *
 * @returns nothing when this process is not root: the server then runs as the same user
 */
export async function findOsUser(folder: string): Promise<OsUser | undefined> {
  if (Deno.uid() !== 0) return undefined;
  const lines = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  const { uid: owner, gid: group } = await Deno.stat(folder).catch(() => ({ uid: 0, gid: 0 }));
  if (owner) {
    const name = lines.find(([, , uid]) => Number(uid) === owner)?.[0] ?? String(owner);
    return { name, uid: owner, gid: group ?? 0 };
  }
  const entry = lines.find(([name]) => name === "postgres") ??
    lines.find(([name]) => name === "nobody");
  if (!entry) {
    throw new StackError(
      "PostgreSQL does not run as root, and this machine has no user postgres to run it as: add one (useradd postgres).",
    );
  }
  const [name, , uid, gid] = entry;
  return { name: name!, uid: Number(uid), gid: Number(gid) };
}

/**
 * Sees to it that a user other than ours can get at a path.
 *
 * @throws StackError naming the folder that stands in the way
 */
export async function assertReachable(path: string, user: OsUser, remedy: string): Promise<void> {
  // Behind a symbolic link lie folders that the path does not name.
  for (const start of [dirname(path), await Deno.realPath(dirname(path))]) {
    for (let folder = start;; folder = dirname(folder)) {
      const { mode, uid, gid } = await Deno.stat(folder);
      const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
      if (mode !== null && !(mode & bit)) {
        throw new StackError(
          `The user ${user.name}, as whom root runs PostgreSQL, cannot enter ${folder}: ${remedy}.`,
        );
      }
      if (folder === dirname(folder)) break;
    }
  }
}
