import { analytics } from "./analytics.ts";
import { commitLatency } from "./commit-latency.ts";
import { deliveries } from "./deliveries.ts";
import { deployment } from "./deployment.ts";
import { drainBacklog } from "./drain.ts";
import { fold } from "./fold.ts";
import { footprint } from "./footprint.ts";
import type { Suite } from "./harness/bench.ts";
import { historyCost } from "./history.ts";
import { limits } from "./limits.ts";
import { nudgeLatency } from "./nudge-latency.ts";
import { publishHttp } from "./publish-http.ts";
import { publishBatches, publishOne, publishTwenty } from "./publish.ts";
import { rollupCommit } from "./rollup-commit.ts";
import { volumeCost } from "./volume.ts";

/** Everything that `npm run bench` measures, in this order. */
export const suites: readonly Suite[] = [
  publishBatches,
  publishOne,
  publishTwenty,
  publishHttp,
  drainBacklog,
  historyCost,
  volumeCost,
  commitLatency,
  nudgeLatency,
  fold,
  deliveries,
  analytics,
  rollupCommit,
  footprint,
  limits,
  deployment,
];
