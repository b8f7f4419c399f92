import type { Suite } from "./harness/bench.ts";
import { figure, median } from "./harness/measure.ts";
import { newUsers } from "./harness/workload.ts";
import { publish } from "./publish.ts";

/**
 * What bounds one server: instances that commit one event each, callers of one instance who share its transactions, and a user whose
 * stream everybody appends to.
 */
export const limits: Suite = {
  name: "limits",
  measures: [],
  async measure(bench) {
    const { sizes, stack, progress } = bench;
    const task = {
      ...sizes,
      url: stack.env.DB_URL,
      events: sizes.events / 10,
      calls: "of one user",
      warmUp: true,
    } as const;
    const cases = [
      ...[1, 4, 16, 64].map((clients) => ({
        name: `publish_one_by_${clients}_instances`,
        change: { clients, instances: clients, batch: 1, users: sizes.users } as const,
      })),
      ...[16, 64].map((clients) => ({
        name: `publish_one_by_${clients}_callers`,
        change: { clients, batch: 1, users: sizes.users } as const,
      })),
      {
        name: "hot_user_one_rate",
        change: { batch: 1, userIds: newUsers(1) } as const,
      },
      {
        name: "hot_user_batch_rate",
        change: { batch: sizes.batch, userIds: newUsers(1) } as const,
      },
    ];
    const rates = new Map(cases.map(({ name }): [string, number[]] => [name, []]));
    for (let run = 1; run <= sizes.runs; run++) {
      progress(`limits: run ${run} of ${sizes.runs}`);
      for (const { name, change } of cases) {
        const { seconds, counts } = await publish(bench, { ...task, ...change }, bench.reset);
        rates.get(name)!.push(counts.events! / seconds);
      }
    }
    await bench.reset();
    return [...rates].map(([name, each]) => figure(name, median(each), "events/s", "higher"));
  },
};
