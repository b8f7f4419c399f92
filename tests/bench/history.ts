import { drain } from "./drain.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, median, ratio } from "./harness/measure.ts";
import { hoursAgo, newUsers, type Period } from "./harness/workload.ts";
import { publish } from "./publish.ts";

const EVENTS_EACH = 40;

/** What an event costs, published and folded, for users with a long story and for new ones. */
export const historyCost: Suite = {
  name: "history",
  measures: ["history_cost"],
  async measure(bench) {
    const { sizes, quick } = bench;
    const users = quick ? 50 : 1_000;
    const history = 1_000;
    const veterans = newUsers(users);
    bench.progress(`history: ${history} events for each of ${users} users`);
    await bench.reset();
    await drain(bench, () =>
      publish(bench, {
        ...task(bench),
        events: users * history,
        userIds: veterans,
        calls: "of one user",
        period: hoursAgo(90 * 24, 24),
      }));
    await bench.admin`vacuum analyze`;

    const old: number[] = [];
    const fresh: number[] = [];
    const late: number[] = [];
    for (let run = 1; run <= sizes.runs; run++) {
      bench.progress(`history: run ${run} of ${sizes.runs}`);
      old.push(await microseconds(bench, veterans, lately()));
      fresh.push(await microseconds(bench, newUsers(users), lately()));
      late.push(await microseconds(bench, veterans, hoursAgo(2, 1)));
    }
    await bench.reset();
    const promise = { reach: 1.2, aim: 1.05 };
    return [
      ratio("history_cost", median(old) / median(fresh), "lower", promise),
      figure("event_cost_long_history", median(old), "µs", "lower"),
      figure("event_cost_new_user", median(fresh), "µs", "lower"),
      figure("event_cost_late", median(late), "µs", "lower"),
    ];
  },
};

/** A second that begins now: after whatever is folded already. */
function lately(): Period {
  const now = Date.now();
  return { from: now, to: now + 1_000 };
}

/** The time of an event of one of these users, so many each on average. */
async function microseconds(bench: Bench, userIds: string[], period: Period): Promise<number> {
  const events = userIds.length * EVENTS_EACH;
  const seconds: number[] = [];
  const drained = await drain(bench, async () => {
    const published = await publish(bench, {
      ...task(bench),
      events,
      userIds,
      calls: "of many users",
      period,
    });
    seconds.push(published.seconds);
  });
  seconds.push(drained.seconds);
  return seconds.reduce((sum, each) => sum + each, 0) / events * 1e6;
}

function task({ sizes, stack }: Bench) {
  return { ...sizes, url: stack.env.DB_URL, warmUp: false };
}
