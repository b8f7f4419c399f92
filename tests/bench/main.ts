/** `npm run bench`: the benchmarks, peers beside ours in one run on one server. */
import { openBench } from "./harness/bench.ts";
import { installPeers } from "./harness/install-peers.ts";
import { readOptions, sizesOf } from "./harness/options.ts";
import { printTable } from "./harness/table.ts";
import { suites } from "./suites.ts";

const options = readOptions(Deno.args, suites);
console.error(options);
const abort = new AbortController();
for (const s of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(s, () => abort.abort());
await installPeers(abort.signal);
