/**
 * Has a shell do something once this process is gone, for whatever reason: it waits for the end of its stdin, which comes then.
 *
 * @param command for `/bin/sh`, which knows `args` as `$1`, `$2`, …
 * @returns calls it off
 */
export function afterExit(command: string, ...args: string[]): () => Promise<void> {
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", `while read -r _; do :; done; ${command}`, "sh", ...args],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  return async () => {
    try {
      shell.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await shell.status;
    await shell.stdin.close().catch(() => {});
  };
}
