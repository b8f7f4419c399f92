import { hasReceiptLog, receiptLog } from "../support/receipt-log.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { callFunction } from "./harness/call-function.ts";
import { figure, type Measure, median } from "./harness/measure.ts";
import { share } from "./harness/race.ts";
import { batches, newEvents, newUsers } from "./harness/workload.ts";

/** Publishing by the front door: POST events, through the gateway and the function. */
export const publishHttp: Suite = {
  name: "publish-http",
  measures: [],
  async measure(bench) {
    const { sizes: { events, users, batch, clients, runs }, progress } = bench;
    const measures: Measure[] = [];
    const measure = async (name: string, bodies: unknown[][], clients: number) => {
      const rates: number[] = [];
      await publish(bench, bodies.slice(0, 4), clients);
      for (let run = 1; run <= runs; run++) {
        progress(`${name}: run ${run} of ${runs}`);
        await bench.reset();
        const seconds = await publish(bench, bodies, clients);
        rates.push(bodies.flat().length / seconds);
      }
      await bench.reset();
      measures.push(figure(name, median(rates), "events/s", "higher"));
    };
    await measure("publish_http_rate", batches(newEvents(events, newUsers(users)), batch), clients);
    // One after the other, since the order within a user is the log's.
    if (hasReceiptLog) {
      await measure("receipt_import_rate", batches(await receiptLog(), batch), 1);
    }
    return measures;
  },
};

/** @returns seconds */
async function publish(bench: Bench, bodies: unknown[][], clients: number): Promise<number> {
  const startedAt = performance.now();
  await share(bodies, clients, async (events) => {
    const { accepted } = await callFunction<{ accepted: number }>(bench, "events", { events });
    if (accepted !== events.length) {
      throw new Error(`only ${accepted} of ${events.length} events were accepted`);
    }
  });
  return (performance.now() - startedAt) / 1000;
}
