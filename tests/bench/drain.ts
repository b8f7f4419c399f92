import type { Bench, Suite } from "./harness/bench.ts";
import type { Result } from "./harness/contender.ts";
import { figure, median, ratio } from "./harness/measure.ts";
import { publish } from "./publish.ts";

const perSecond = (results: readonly Result[]) =>
  median(results.map(({ seconds, counts }) => counts.events! / seconds));

/** Draining a backlog with every real reactor, directly and through the function, beside job queues with an empty task. */
export const drainBacklog: Suite = {
  name: "drain",
  measures: ["drain_vs_graphile", "drain_http_vs_graphile"],
  async measure(bench) {
    const { sizes } = bench;
    const direct: Result[] = [];
    const http: Result[] = [];
    const peers = { graphile: [] as Result[], pgBoss: [] as Result[] };
    const adds = { graphile: [] as Result[], pgBoss: [] as Result[] };
    for (let run = 1; run <= sizes.runs; run++) {
      bench.progress(`drain: run ${run} of ${sizes.runs}`);
      await fill(bench);
      direct.push(await drain(bench));

      const graphile = await bench.peerDatabase("graphile_worker");
      adds.graphile.push(await peer(bench, "graphile-worker", graphile, "add"));
      peers.graphile.push(
        await peer(bench, "graphile-worker", graphile, "drain", 4),
      );

      await fill(bench);
      http.push(await drainHttp(bench));

      const pgBoss = await bench.peerDatabase("pg_boss");
      adds.pgBoss.push(await peer(bench, "pg-boss", pgBoss, "add"));
      peers.pgBoss.push(await peer(bench, "pg-boss", pgBoss, "drain"));
    }
    await bench.reset();
    return [
      ratio(
        "drain_vs_graphile",
        perSecond(direct) / perSecond(peers.graphile),
        "higher",
        {
          reach: 3,
          aim: 8,
        },
      ),
      ratio(
        "drain_http_vs_graphile",
        perSecond(http) / perSecond(peers.graphile),
        "higher",
        {
          reach: 1,
          aim: 4,
        },
      ),
      figure("drain_rate", perSecond(direct), "events/s", "higher"),
      figure("drain_http_rate", perSecond(http), "events/s", "higher"),
      figure(
        "graphile_worker_drain_rate",
        perSecond(peers.graphile),
        "jobs/s",
        "higher",
      ),
      figure("pg_boss_drain_rate", perSecond(peers.pgBoss), "jobs/s", "higher"),
      figure(
        "graphile_worker_add_rate",
        perSecond(adds.graphile),
        "jobs/s",
        "higher",
      ),
      figure("pg_boss_insert_rate", perSecond(adds.pgBoss), "jobs/s", "higher"),
    ];
  },
};

/** An empty store with a backlog, analysed as autovacuum would have. */
export async function fill(
  bench: Bench,
  { events, users }: { events: number; users: number } = bench.sizes,
): Promise<void> {
  await bench.reset();
  const { stack, sizes } = bench;
  await publish(bench, {
    ...sizes,
    events,
    users,
    url: stack.env.DB_URL,
    calls: "of many users",
  });
  await bench.admin`analyze`;
}

/** Drains the whole backlog by processes of our own: @throws Error where an event was left or failed */
export async function drain(bench: Bench): Promise<Result> {
  const result = await atWork(bench, () =>
    bench.race({
      script: "ours/drain.ts",
      task: { url: bench.stack.env.DB_URL, workers: bench.sizes.clients },
    }));
  await assertDrained(bench);
  return result;
}

async function drainHttp(bench: Bench): Promise<Result> {
  const { env } = bench.stack;
  await bench.admin`checkpoint`;
  const result = await atWork(bench, async () => {
    const startedAt = performance.now();
    const answers = await Promise.all(
      Array.from({ length: bench.sizes.clients }, async () => {
        const response = await fetch(
          `${env.FUNCTIONS_URL}/events/process-queue`,
          {
            method: "POST",
            headers: { apikey: env.SECRET_KEY },
            body: "{}",
            signal: bench.signal,
          },
        );
        if (!response.ok) {
          throw new Error(`process-queue answered ${await response.text()}`);
        }
        return await response.json() as { processed: number };
      }),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      seconds,
      counts: {
        events: answers.reduce((sum, each) => sum + each.processed, 0),
      },
    };
  });
  await assertDrained(bench);
  return result;
}

/** With workers that leave when they find nothing, and that nothing but the end of the backlog stops. */
export async function atWork<Done>(bench: Bench, work: () => Promise<Done>): Promise<Done> {
  const { admin } = bench;
  const [before] = await admin<{ linger: string; work_budget: string }[]>`
    select linger::text, work_budget::text from flywheel.settings
  `;
  await admin`update flywheel.settings set linger = '0', work_budget = '140 seconds'`;
  try {
    return await work();
  } finally {
    await admin`
      update flywheel.settings set linger = ${before!.linger}::interval, work_budget = ${
      before!.work_budget
    }::interval
    `;
  }
}

async function assertDrained({ admin }: Bench): Promise<void> {
  const [left] = await admin<{ events: number; dead: number }[]>`
    select
      (select coalesce(sum(version - processed_version), 0)::int from flywheel.streams) as events,
      (select count(*)::int from public.phoenix_events where ai_processing_error is not null) as dead
  `;
  if (left!.events > 0) {
    throw new Error(`${left!.events} events were left in the backlog`);
  }
  if (left!.dead > 0) throw new Error(`${left!.dead} events were set aside`);
}

async function peer(
  bench: Bench,
  name: string,
  url: string,
  action: "add" | "drain",
  processes = 1,
): Promise<Result> {
  const result = await bench.race({
    script: `peers/${name}.mjs`,
    task: { ...bench.sizes, url, action },
    processes,
  });
  if (result.counts.events !== bench.sizes.events) {
    throw new Error(
      `${name} handled ${result.counts.events} of ${bench.sizes.events} jobs`,
    );
  }
  return result;
}
