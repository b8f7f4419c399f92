/**
 * Runs one of the stack's Deno programs on a leash: `deno run … child.ts <module>`.
 *
 * The supervisor holds the other end of stdin and never writes. When stdin ends, the supervisor is gone, however it went,
 * and so goes this process.
 */
import { pathToFileURL } from "node:url";

async function exitWithSupervisor(): Promise<never> {
  const buffer = new Uint8Array(64);
  while ((await Deno.stdin.read(buffer).catch(() => null)) !== null);
  Deno.exit(0);
}

const module = Deno.args[0];
if (!module) throw new Error("child.ts wants the module to run");
exitWithSupervisor();
await import(pathToFileURL(module).href);
