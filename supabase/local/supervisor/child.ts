/**
 * Runs one of the stack's Deno programs on a leash: `deno run … child.ts <supervisor's process id> <module> …`.
 *
 * A process whose parent has died gets another parent: once that happens the supervisor is gone, for whatever reason, and this
 * process ends too. The watch does not keep a program alive that has nothing more to do.
 */
import { setInterval } from "node:timers";
import { pathToFileURL } from "node:url";

const LOOK_EVERY_MS = 200;

const [supervisor, module] = Deno.args;
if (!supervisor || !module) throw new Error("child.ts wants a process id and the module to run");

setInterval(() => {
  if (Deno.ppid !== Number(supervisor)) Deno.exit(0);
}, LOOK_EVERY_MS).unref();

await import(pathToFileURL(module).href);
