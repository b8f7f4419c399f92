import { userToken } from "../support/tokens.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { pause, untilQuiet, withDoorbell } from "./harness/doorbell.ts";
import { figure, percentile } from "./harness/measure.ts";

/** How often the nudges are looked at: the resolution of what is measured. */
const LOOK_EVERY_MS = 2;
const PATIENCE_MS = 60_000;

/**
 * From an app's publication over HTTP to the nudge that its user can see. The events are new users' first ones, one after the other: at
 * once, while a worker still lingers, and then each after the last worker has left, when it takes the doorbell.
 */
export const nudgeLatency: Suite = {
  name: "nudge-latency",
  measures: [],
  measure(bench) {
    const count = bench.quick ? 10 : 200;
    return withDoorbell(bench, async () => {
      await measureMany(bench, 10, () => Promise.resolve());
      bench.progress("nudge latency: a worker lingers");
      const lingering = await measureMany(bench, count, () => Promise.resolve());
      bench.progress("nudge latency: by the doorbell");
      const rung = await measureMany(bench, count, () => untilQuiet(bench));
      return [
        figure("nudge_latency_p50", percentile(lingering, 0.5), "ms", "lower"),
        figure("nudge_latency_p95", percentile(lingering, 0.95), "ms", "lower"),
        figure("nudge_latency_rung_p50", percentile(rung, 0.5), "ms", "lower"),
        figure("nudge_latency_rung_p95", percentile(rung, 0.95), "ms", "lower"),
      ];
    });
  },
};

async function measureMany(
  bench: Bench,
  count: number,
  before: () => Promise<void>,
): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    await before();
    times.push(await timeToNudge(bench));
  }
  return times;
}

/** Milliseconds until the nudge stands in the table that its user reads: @throws after a minute */
async function timeToNudge(bench: Bench): Promise<number> {
  const user = crypto.randomUUID();
  const token = await userToken(bench.stack.env, { claims: { sub: user } });
  const startedAt = performance.now();
  await publish(bench, token);
  for (;;) {
    const [nudge] = await bench.admin`
      select from public.phoenix_nudges_sent where user_id = ${user}
    `;
    const time = performance.now() - startedAt;
    if (nudge) return time;
    if (time > PATIENCE_MS) throw new Error("no nudge came within a minute");
    await pause(LOOK_EVERY_MS);
  }
}

async function publish({ stack: { env }, signal }: Bench, token: string): Promise<void> {
  const response = await fetch(`${env.FUNCTIONS_URL}/events`, {
    method: "POST",
    headers: {
      apikey: env.PUBLISHABLE_KEY,
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({
      event_type: "letter.generated",
      app_source: "letters",
      payload: { job_title: "Data Scientist", match_score: 0.8 },
    }),
    signal,
  });
  const text = await response.text();
  if (response.status !== 202) throw new Error(`publishing was answered ${text}`);
}
