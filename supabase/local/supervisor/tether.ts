import { afterExit } from "./after-exit.ts";

/**
 * Ties a program that does not watch its parent to the life of this process: it is signalled once this process is gone.
 *
 * @returns cuts the tether, once the program has ended
 */
export function tether(pid: number, signal: Deno.Signal): () => Promise<void> {
  return afterExit(`kill -${signal.replace("SIG", "")} ${pid}`);
}
