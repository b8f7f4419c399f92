/** `npm run bench`: the benchmarks, peers beside ours in one run on one server. */
import { StackError } from "../../supabase/local/stack-error.ts";
import { drawChart } from "./harness/chart.ts";
import { openBench } from "./harness/bench.ts";
import { installPeers } from "./harness/install-peers.ts";
import type { Measure } from "./harness/measure.ts";
import { type Options, readOptions, usage, UsageError } from "./harness/options.ts";
import { toTable } from "./harness/table.ts";
import { tryTargets } from "./harness/targets.ts";
import { suites } from "./suites.ts";

const abort = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.addSignalListener(signal, () => abort.abort());
}

const startedAt = performance.now();
function progress(text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.error(`${seconds.padStart(5)} s  ${text}`);
}

async function measureAll({ sizes, quick, suites }: Options): Promise<Measure[]> {
  const { signal } = abort;
  await installPeers({ signal, progress });
  // In a folder that the server's own user can enter, where there is one.
  const folder = await Deno.makeTempDir({ prefix: "phoenix-bench-" });
  try {
    await using bench = await openBench(folder, { sizes, quick, signal, progress });
    const measures: Measure[] = [];
    for (const suite of suites) {
      signal.throwIfAborted();
      measures.push(...await suite.measure(bench));
    }
    return measures;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function main(): Promise<number> {
  const options = readOptions(Deno.args, suites);
  if (options === "help") return say(usage);
  if (options === "list") {
    return say(suites.map(({ name, measures }) => [name, ...measures].join("  ")).join("\n"));
  }
  await tryTargets(options);
  const measures = await measureAll(options);
  say(toTable(measures));
  if (options.quick) say("\nQuick sizes: whether it runs, not how fast.");
  if (options.json) {
    await Deno.writeTextFile(options.json, `${JSON.stringify(measures, null, 2)}\n`);
  }
  if (options.chart) await drawChart(measures, options.chart);
  return 0;
}

function say(text: string): number {
  console.log(text);
  return 0;
}

try {
  Deno.exit(await main());
} catch (error) {
  if (abort.signal.aborted) {
    console.error("stopped");
    Deno.exit(130);
  }
  const isForPeople = error instanceof UsageError || error instanceof StackError;
  console.error(isForPeople ? error.message : error);
  Deno.exit(error instanceof UsageError ? 2 : 1);
}
