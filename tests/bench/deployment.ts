import { join } from "node:path";
import { bundleSize } from "../support/bundle-size.ts";
import { serve, unpack } from "../support/deployed-function.ts";
import { environmentOfNobody, uploadFunctions } from "../support/upload-functions.ts";
import type { Suite } from "./harness/bench.ts";
import { figure, type Measure, median } from "./harness/measure.ts";

/** How long the stack takes to boot, and what each function weighs and takes to give its first answer. */
export const deployment: Suite = {
  name: "deployment",
  measures: [],
  async measure({ stack, sizes, progress, signal }) {
    progress("deployment");
    const measures: Measure[] = [
      figure("stack_boot", stack.bootMs, "ms", "lower"),
    ];
    const folder = await Deno.makeTempDir({ prefix: "phoenix-bench-" });
    try {
      for (const [name, upload] of await uploadFunctions(folder)) {
        const unpacked = join(folder, "unpacked", name);
        await Deno.mkdir(unpacked, { recursive: true });
        await unpack(upload, unpacked);
        const { uploaded, bundled } = await bundleSize(upload, unpacked);
        const boots: number[] = [];
        for (let run = 0; run < sizes.runs; run++) {
          signal.throwIfAborted();
          const startedAt = performance.now();
          const served = await serve(upload, unpacked, environmentOfNobody);
          try {
            await (await fetch(`${served.url}/${name}`)).body?.cancel();
            boots.push(performance.now() - startedAt);
          } finally {
            await served.stop();
          }
        }
        measures.push(
          figure(`function_${name}_uploaded`, uploaded / 1000, "kB", "lower"),
          figure(`function_${name}_bundled`, bundled / 1000, "kB", "lower"),
          figure(`function_${name}_boot`, median(boots), "ms", "lower"),
        );
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    return measures;
  },
};
