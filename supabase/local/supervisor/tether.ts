/**
 * Ties a program that does not watch its parent to the life of this process: a shell waits for the end of its stdin, which comes
 * when this process is gone, for whatever reason, and then signals the program.
 *
 * @returns cuts the tether, once the program has ended
 */
export function tether(pid: number, signal: Deno.Signal): () => Promise<void> {
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", `while read -r _; do :; done; kill -${signal.replace("SIG", "")} ${pid}`],
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
