import postgres from "postgres";
import { createPublisher } from "../../shared/flywheel/publish.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, type Measure, percentile } from "./harness/measure.ts";
import { pause, withDoorbell } from "./harness/doorbell.ts";
import { newEvents, newUsers } from "./harness/workload.ts";

/** How often the store is asked what has been committed: the resolution of what is measured. */
const LOOK_EVERY_MS = 5;

/**
 * From the call that publishes an event to the commit of what was folded, at steady rates, one event a call, by the whole way:
 * trigger, doorbell, net worker, gateway, function.
 */
export const commitLatency: Suite = {
  name: "commit-latency",
  measures: [],
  measure(bench) {
    return withDoorbell(bench, async () => {
      const measures: Measure[] = [];
      await publishAt(bench, { rate: 10, seconds: 1 });
      for (const rate of [10, 100, 1_000]) {
        bench.progress(`commit latency: ${rate} events a second`);
        const { calls, commits } = await publishAt(bench, { rate, seconds: bench.quick ? 2 : 20 });
        for (const share of [0.5, 0.95, 0.99]) {
          const name = `${rate}_p${share * 100}`;
          measures.push(
            figure(`commit_latency_${name}`, percentile(commits, share), "ms", "lower"),
            figure(`publish_latency_${name}`, percentile(calls, share), "ms", "lower"),
          );
        }
      }
      return measures;
    });
  },
};

/**
 * Publishes at a rate that does not wait for answers.
 *
 * @returns milliseconds of each call, and from its begin to the commit
 */
async function publishAt(
  { stack, sizes, signal }: Bench,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<{ calls: number[]; commits: number[] }> {
  const database = postgres(stack.env.DB_URL, {
    max: 2 * sizes.clients,
    connection: { role: "service_role" },
  });
  const publish = createPublisher(database);
  const watching = postgres(stack.env.DB_URL, { max: 1 });
  const calls: number[] = [];
  const commits: number[] = [];
  // A user an event: its stream tells when this very event was committed.
  const pending = new Map<string, number>();
  const count = rate * seconds;

  async function watch(): Promise<void> {
    while (commits.length < count) {
      signal.throwIfAborted();
      const users = [...pending.keys()];
      const done = await watching<{ user_id: string }[]>`
        select user_id from flywheel.streams where user_id = any (${users}) and processed_version = 1
      `;
      const now = performance.now();
      for (const { user_id } of done) {
        commits.push(now - pending.get(user_id)!);
        pending.delete(user_id);
      }
      await pause(LOOK_EVERY_MS);
    }
  }

  async function send(): Promise<void> {
    const startedAt = performance.now();
    const sending: Promise<void>[] = [];
    for (let n = 0; n < count; n++) {
      signal.throwIfAborted();
      const due = startedAt + n / rate * 1000;
      const early = due - performance.now();
      if (early > 0) await pause(early);
      const [event] = newEvents(1, newUsers(1));
      const at = performance.now();
      pending.set(event!.user_id, at);
      sending.push(
        publish({ text: JSON.stringify(event), value: event }, undefined)
          .then(() => void calls.push(performance.now() - at)),
      );
    }
    await Promise.all(sending);
  }

  try {
    await Promise.all([send(), watch()]);
    return { calls, commits };
  } finally {
    await Promise.all([database.end(), watching.end()]);
  }
}
