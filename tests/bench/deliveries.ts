import { type ReceivingApp, receivingApp } from "../support/receiving-app.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { callFunction } from "./harness/call-function.ts";
import { pause, withDoorbell } from "./harness/doorbell.ts";
import { figure, type Measure, percentile } from "./harness/measure.ts";

const targets = ["cv", "letters", "rise"] as const;

/**
 * From the call that publishes a `métier_choisi` to its receipt by an app, at steady rates, by the whole way: front door, doorbell,
 * fold, commit with the outbox, QStash. Each choice is delivered to three apps.
 */
export const deliveries: Suite = {
  name: "deliveries",
  measures: [],
  async measure(bench) {
    const apps = new Map(targets.map((target) => [target, receivingApp()]));
    try {
      return await withDoorbell(bench, async () => {
        for (const [app, { url }] of apps) {
          await bench.admin`select flywheel.configure_app(${app}, ${url})`;
        }
        return await measureAt(bench, [...apps.values()]);
      });
    } finally {
      await Promise.all([...apps.values()].map((app) => app.stop()));
    }
  },
};

async function measureAt(bench: Bench, apps: readonly ReceivingApp[]): Promise<Measure[]> {
  const measures: Measure[] = [];
  await chooseAt(bench, apps, { rate: 2, seconds: 2 });
  for (const rate of [1, 10]) {
    bench.progress(`deliveries: ${rate} choices a second`);
    const receipts = await chooseAt(bench, apps, { rate, seconds: bench.quick ? 2 : 20 });
    for (const share of [0.5, 0.95]) {
      const name = `choice_to_receipt_${rate}_p${share * 100}`;
      measures.push(figure(name, percentile(receipts, share), "ms", "lower"));
    }
  }
  return measures;
}

/** Choices at a rate that does not wait for answers: @returns the milliseconds to each of the three receipts of each */
async function chooseAt(
  bench: Bench,
  apps: readonly ReceivingApp[],
  { rate, seconds }: { rate: number; seconds: number },
): Promise<number[]> {
  const chosenAt = new Map<string, number>();
  const calls: Promise<unknown>[] = [];
  const startedAt = performance.now();
  for (let n = 0; n < rate * seconds; n++) {
    bench.signal.throwIfAborted();
    await pause(startedAt + n / rate * 1000 - performance.now());
    const user_id = crypto.randomUUID();
    chosenAt.set(user_id, Date.now());
    calls.push(callFunction(bench, "events", {
      event_type: "métier_choisi",
      app_source: "aube",
      user_id,
      payload: { métier: "Data Scientist", score_ia_résistance: 0.72 },
    }));
  }
  await Promise.all(calls);

  // The first of each delivery: QStash may repeat one.
  const receipts = () =>
    apps.flatMap(({ received }) =>
      received.flatMap(({ user_id, attempt, receivedAt }) => {
        const at = attempt === 1 ? chosenAt.get(user_id) : undefined;
        return at === undefined ? [] : [receivedAt - at];
      })
    );
  const deadline = performance.now() + 60_000;
  while (receipts().length < chosenAt.size * apps.length) {
    bench.signal.throwIfAborted();
    if (performance.now() > deadline) {
      throw new Error("deliveries are missing after a minute");
    }
    await pause(20);
  }
  return receipts();
}
