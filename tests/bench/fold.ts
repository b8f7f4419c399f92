import type { Suite } from "./harness/bench.ts";
import { figure } from "./harness/measure.ts";
import { benchReactors } from "./reactors.ts";

/** What the reactors cost by themselves, in processor time, without a database. */
export const fold: Suite = {
  name: "fold",
  measures: [],
  measure({ progress }) {
    progress("fold");
    const { events_per_second, microseconds } = benchReactors();
    return Promise.resolve([
      figure("fold_rate", events_per_second, "events/s", "higher"),
      ...Object.entries(microseconds).map(([what, cost]) =>
        figure(`fold_cost_${what}`, cost, "µs/event", "lower")
      ),
    ]);
  },
};
