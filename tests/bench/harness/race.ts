/**
 * The timed part of a contender, ours or a peer's, in a process of its own. Runs under Deno and under Node, which strips the types.
 */
import { once } from "node:events";
import process from "node:process";

/** What a contender prints when it is done: one JSON line. Times in milliseconds since 1970. */
export interface Lap {
  started_at: number;
  finished_at: number;
  /** Events, jobs or calls that were handled, and whatever else the contender counted. */
  counts: Record<string, number>;
}

/** What the contender is to do: the first argument, as JSON. */
export function task<Task>(): Task {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** Says that everything is prepared, waits for a line on standard input, runs, and prints the {@link Lap}. */
export async function race(run: () => Promise<Record<string, number>>): Promise<void> {
  console.log("ready");
  // Standard input ends without that line where the process that started this one is gone.
  process.stdin.once("end", () => process.exit(1));
  await once(process.stdin, "data");
  process.stdin.removeAllListeners("end").pause();
  const started_at = performance.timeOrigin + performance.now();
  const counts = await run();
  const finished_at = performance.timeOrigin + performance.now();
  console.log(JSON.stringify({ started_at, finished_at, counts } satisfies Lap));
}

/** Runs `clients` loops at the same time, each taking the next item until none is left. */
export async function share<Item>(
  items: readonly Item[],
  clients: number,
  handle: (item: Item) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (next < items.length) await handle(items[next++]!);
  }));
}
