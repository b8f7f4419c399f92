import { bench } from "./contender.ts";

/** A copy of the lock file that the installed packages were installed from. */
const installedLock = bench("node_modules/.installed-lock.json");

/**
 * Installs the peers and their runtime where they are missing or others than the lock file names: the one use of the network.
 *
 * @throws Error with npm's last words
 */
export async function installPeers(
  { signal, progress }: { signal: AbortSignal; progress(text: string): void },
): Promise<void> {
  const lock = await Deno.readTextFile(bench("package-lock.json"));
  if (lock === await Deno.readTextFile(installedLock).catch(() => undefined)) return;
  progress("installing the peers (npm ci in tests/bench)");
  const { success, stderr } = await new Deno.Command("npm", {
    args: ["ci", "--prefix", bench("."), "--no-audit", "--no-fund"],
    signal,
  }).output();
  if (!success) {
    signal.throwIfAborted();
    throw new Error(`The peers could not be installed:\n${new TextDecoder().decode(stderr)}`);
  }
  await Deno.writeTextFile(installedLock, lock);
}
