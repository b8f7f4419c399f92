import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("./child.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../../deno.json", import.meta.url));

/**
 * The command that runs a module of ours as a process of its own, which ends when this one does.
 *
 * @param module path of the module
 * @param args what follows it: `Deno.args` is `[process id, module, ...args]`
 * @param permissions Deno's permission flags
 */
export function denoProgram(
  module: string,
  args: string[] = [],
  permissions: string[] = ["--allow-all"],
): { command: string; args: string[] } {
  return {
    command: Deno.execPath(),
    args: [
      "run",
      "--quiet",
      "--no-prompt",
      // A request's signal tells that the client is gone, not that it was answered.
      "--unstable-no-legacy-abort",
      "--config",
      CONFIG,
      ...permissions,
      CHILD,
      String(Deno.pid),
      module,
      ...args,
    ],
  };
}

// What a Deno process takes from its parent's environment: where things are, and no variable that a program of ours might read.
const INHERITED = ["PATH", "HOME", "TMPDIR", "DENO_DIR", "XDG_CACHE_HOME", "LANG", "TZ"];

/** The environment of a Deno process: its own names, and of ours only what Deno itself needs. */
export function denoEnv(env: Record<string, string>): Record<string, string> {
  const inherited = INHERITED.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(inherited), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1", ...env };
}
