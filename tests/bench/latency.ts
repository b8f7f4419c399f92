/**
 * From an app's publication to the nudge that its user can see, over real HTTP on a stack of its own:
 *
 *     deno run -A tests/bench/latency.ts [events]
 *
 * Each event is a fresh user's first. Measured twice: one event right after the other, when a worker still lingers, and each after the
 * last worker has left, when it takes the doorbell.
 */
import postgres from "postgres";
import { startStack } from "../../supabase/local/stack.ts";
import type { StackEnv } from "../../supabase/local/stack-env.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { userToken } from "../support/tokens.ts";

const pollMs = 2;
const patienceMs = 60_000;

interface Sample {
  /** Milliseconds until the publication was answered. */
  answered: number;
  /** Milliseconds until the nudge stood in the table that its user reads. */
  visible: number;
}

async function publish(env: StackEnv, token: string): Promise<void> {
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
  });
  const text = await response.text();
  if (response.status !== 202) {
    throw new Error(`publishing was answered ${text}`);
  }
}

/** Asks every few milliseconds. @throws after a minute */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!await holds()) {
    if (performance.now() > deadline) {
      throw new Error("nothing came within a minute");
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

async function measure(env: StackEnv, sql: postgres.Sql): Promise<Sample> {
  const sub = crypto.randomUUID();
  const token = await userToken(env, { claims: { sub } });
  const startedAt = performance.now();
  await publish(env, token);
  const answered = performance.now() - startedAt;
  await until(async () =>
    (await sql`select from public.phoenix_nudges_sent where user_id = ${sub}`)
      .length > 0
  );
  return { answered, visible: performance.now() - startedAt };
}

async function measureMany(
  env: StackEnv,
  sql: postgres.Sql,
  events: number,
  before: () => Promise<void>,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let n = 0; n < events; n++) {
    await before();
    samples.push(await measure(env, sql));
  }
  return samples;
}

/** The value below which a share of the values lies, by the nearest rank. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

function describe(name: string, samples: readonly Sample[]): string {
  const ms = (values: number[], share: number) => `${percentile(values, share).toFixed(1)} ms`;
  const visible = samples.map((sample) => sample.visible);
  const answered = samples.map((sample) => sample.answered);
  return `${name}: p50 ${ms(visible, 0.5)}, p95 ${ms(visible, 0.95)}, max ${ms(visible, 1)}` +
    ` (answered: p50 ${ms(answered, 0.5)}, p95 ${ms(answered, 0.95)}; ${samples.length} events)`;
}

async function main(events: number): Promise<void> {
  await using folder = await tempFolder();
  const stack = await startStack({
    dataDir: `${folder.path}/data`,
    without: ["qstash"],
  });
  const sql = postgres(stack.env.DB_URL, { max: 1, onnotice: () => {} });
  const noWorker = () =>
    until(async () =>
      (await sql`select from flywheel.worker_slots where expires_at > clock_timestamp()`)
        .length === 0
    );
  try {
    await measureMany(stack.env, sql, 10, () => Promise.resolve());
    const lingering = await measureMany(
      stack.env,
      sql,
      events,
      () => Promise.resolve(),
    );
    console.log(
      describe("publish to visible nudge, a worker lingers", lingering),
    );
    const resting = await measureMany(stack.env, sql, events, noWorker);
    console.log(describe("publish to visible nudge, by the doorbell", resting));
  } finally {
    await sql.end();
    await stack.stop();
  }
}

const events = Number(Deno.args[0] ?? 200);
if (!Number.isInteger(events) || events < 1) {
  console.error("usage: deno run -A tests/bench/latency.ts [events]");
  Deno.exit(2);
}
await main(events);
