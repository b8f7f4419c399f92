import { drainBacklog } from "./drain.ts";
import type { Suite } from "./harness/bench.ts";
import { publishBatches, publishOne, publishTwenty } from "./publish.ts";

/** Everything that `npm run bench` measures, in this order. */
export const suites: readonly Suite[] = [
  publishBatches,
  publishOne,
  publishTwenty,
  drainBacklog,
];
