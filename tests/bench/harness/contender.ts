import { fileURLToPath } from "node:url";
import { z } from "zod";
import { TextLineStream } from "../../../supabase/local/supervisor/text-lines.ts";
import type { Lap } from "./race.ts";

/** A program that does a piece of work as fast as it can: ours under Deno, a peer under Node. */
export interface Contender {
  /** The script, relative to `tests/bench`. */
  script: `ours/${string}.ts` | `peers/${string}.mjs`;
  /** What it is to do. */
  task: object;
  /** How many processes share the work; default 1. */
  processes?: number;
}

/** What a contender achieved. */
export interface Result {
  seconds: number;
  /** What it counted, summed over its processes. */
  counts: Record<string, number>;
}

const lap = z.object({
  started_at: z.number(),
  finished_at: z.number(),
  counts: z.record(z.string(), z.number()),
}) satisfies z.ZodType<Lap>;

/**
 * Starts a contender's processes and lets them warm up, prepares what they are to work on, starts the clock in all of them at once and
 * stops it with the last one.
 *
 * @throws Error with what a process printed where it failed
 */
export async function run(
  contender: Contender,
  { signal, prepare }: { signal: AbortSignal; prepare(): Promise<unknown> },
): Promise<Result> {
  signal.throwIfAborted();
  const failure = new AbortController();
  const laps = await race(contender, AbortSignal.any([signal, failure.signal]), prepare)
    .catch((error) => {
      failure.abort();
      throw error;
    });
  const counts: Record<string, number> = {};
  for (const each of laps) {
    for (const [name, count] of Object.entries(each.counts)) {
      counts[name] = (counts[name] ?? 0) + count;
    }
  }
  const startedAt = Math.min(...laps.map(({ started_at }) => started_at));
  const finishedAt = Math.max(...laps.map(({ finished_at }) => finished_at));
  return { seconds: (finishedAt - startedAt) / 1000, counts };
}

async function race(
  contender: Contender,
  signal: AbortSignal,
  prepare: () => Promise<unknown>,
): Promise<Lap[]> {
  const processes = Array.from(
    { length: contender.processes ?? 1 },
    () => start(contender, signal),
  );
  await Promise.all(processes.map((process) => process.ready));
  await prepare();
  return await Promise.all(processes.map((process) => process.go()));
}

function start({ script, task }: Contender, signal: AbortSignal) {
  const path = bench(script);
  const [command, flags] = script.startsWith("ours/")
    ? [Deno.execPath(), ["run", "--quiet", "--allow-all", "--config", bench("../../deno.json")]]
    : [bench("node_modules/.bin/node"), ["--disable-warning=ExperimentalWarning"]];
  const child = new Deno.Command(command, {
    args: [...flags, path, JSON.stringify(task)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal,
  }).spawn();
  const failed = Promise.withResolvers<never>();
  const ended = (async () => {
    const [{ success }, complaint] = await Promise.all([
      child.status,
      new Response(child.stderr).text(),
    ]);
    if (!success) {
      signal.throwIfAborted();
      throw new Error(`${script} failed:\n${complaint.trim()}`);
    }
  })();
  ended.catch(failed.reject);
  failed.promise.catch(() => {});
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value } = await Promise.race([lines.next(), failed.promise]);
    if (value === undefined) {
      await ended;
      throw new Error(`${script} ended without a result`);
    }
    return value;
  };
  return {
    ready: nextLine(),
    async go(): Promise<Lap> {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("go\n"));
      const result = lap.parse(JSON.parse(await nextLine()));
      await writer.close().catch(() => {});
      await ended;
      return result;
    },
  };
}

/** A path within `tests/bench`. */
export function bench(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}
