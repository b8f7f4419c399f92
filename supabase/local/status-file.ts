import { join, resolve } from "node:path";
import { isLocked } from "./data-folder.ts";
import { type PublicStackEnv, stackEnvSchema } from "./stack-env.ts";

/** Leaves a note for `npm run status`, which its owner alone can read. */
export async function writeStatus(folder: string, env: PublicStackEnv): Promise<void> {
  const text = JSON.stringify(stackEnvSchema.parse(env), null, 2) + "\n";
  await Deno.writeTextFile(statusPath(folder), text, { mode: 0o600 });
}

export async function removeStatus(folder: string): Promise<void> {
  await Deno.remove(statusPath(folder)).catch(() => {});
}

/** What the stack that runs on this folder serves, or undefined when none does. */
export async function readStatus(folder: string): Promise<PublicStackEnv | undefined> {
  if (!await isLocked(folder)) return undefined;
  try {
    return stackEnvSchema.parse(JSON.parse(await Deno.readTextFile(statusPath(folder))));
  } catch {
    // It is still booting, or stopping.
    return undefined;
  }
}

function statusPath(folder: string): string {
  return join(resolve(folder), "status.json");
}
