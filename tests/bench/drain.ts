import postgres from "postgres";
import type { Bench, Suite } from "./harness/bench.ts";
import { callFunction } from "./harness/call-function.ts";
import type { Result } from "./harness/contender.ts";
import { figure, rate, ratio } from "./harness/measure.ts";
import { withSettings } from "./harness/with-settings.ts";
import type { DrainTask } from "./ours/drain.ts";
import { publish } from "./publish.ts";

/** Workers that leave when they find nothing, and that nothing but the end of the backlog stops. */
export const untilEmpty = { linger: "0", work_budget: "50 seconds", work_events: 10_000_000 };

/** Draining a backlog with every real reactor, directly and through the function, beside job queues with an empty task. */
export const drainBacklog: Suite = {
  name: "drain",
  measures: ["drain_vs_graphile", "drain_http_vs_graphile"],
  async measure(bench) {
    const { runs, events } = bench.sizes;
    // What the reactors themselves publish on the way is folded as well, and not counted.
    const published = ({ seconds }: Result): Result => ({
      seconds,
      counts: { events },
    });
    const direct: Result[] = [];
    const idle: Result[] = [];
    const http: Result[] = [];
    const graphile = new Queue(bench, "graphile-worker", { processes: 4 });
    const pgBoss = new Queue(bench, "pg-boss", { processes: 1 });
    for (let run = 1; run <= runs; run++) {
      bench.progress(`drain: run ${run} of ${runs}`);
      direct.push(
        published(await drain(bench, () => fill(bench, bench.sizes))),
      );
      await graphile.run();
      idle.push(published(await drain(bench, () => fill(bench, bench.sizes), "none")));
      http.push(published(await drainHttp(bench)));
      await pgBoss.run();
    }
    await bench.reset();
    const jobs = rate(graphile.drained);
    return [
      ratio("drain_vs_graphile", rate(direct) / jobs, "higher", {
        reach: 3,
        aim: 8,
      }),
      ratio("drain_http_vs_graphile", rate(http) / jobs, "higher", {
        reach: 1,
        aim: 4,
      }),
      figure("drain_rate", rate(direct), "events/s", "higher"),
      figure("drain_http_rate", rate(http), "events/s", "higher"),
      figure("drain_without_reactors_rate", rate(idle), "events/s", "higher"),
      figure("graphile_worker_drain_rate", jobs, "jobs/s", "higher"),
      figure("pg_boss_drain_rate", rate(pgBoss.drained), "jobs/s", "higher"),
      figure(
        "graphile_worker_add_rate",
        rate(graphile.added),
        "jobs/s",
        "higher",
      ),
      figure("pg_boss_insert_rate", rate(pgBoss.added), "jobs/s", "higher"),
    ];
  },
};

/** Makes the store new, with a backlog, analysed as autovacuum would have. */
export async function fill(
  bench: Bench,
  { events, users }: { events: number; users: number },
): Promise<void> {
  await bench.reset();
  await publish(bench, {
    ...bench.sizes,
    events,
    users,
    url: bench.stack.env.DB_URL,
    calls: "of many users",
    warmUp: false,
  });
  await bench.admin`analyze`;
}

/** A process runs TypeScript on one core: two of ours share the work, as four of the peer's do. */
const processes = 2;

/**
 * Drains the whole backlog by processes of ours.
 *
 * @param prepare makes the backlog, once the processes have warmed up
 * @throws Error where an event was left or failed
 */
export async function drain(
  bench: Bench,
  prepare: () => Promise<unknown>,
  reactors: DrainTask["reactors"] = "all",
): Promise<Result> {
  const task: DrainTask = {
    url: bench.stack.env.DB_URL,
    workers: bench.sizes.clients / processes,
    reactors,
  };
  const result = await withSettings(
    bench,
    untilEmpty,
    () => bench.race({ script: "ours/drain.ts", task, processes }, prepare),
  );
  await assertDrained(bench);
  return result;
}

async function drainHttp(bench: Bench): Promise<Result> {
  const { clients, events, users } = bench.sizes;
  const work = async () => {
    const startedAt = performance.now();
    const done = await Promise.all(
      Array.from(
        { length: clients },
        () =>
          callFunction<{ processed: number }>(
            bench,
            "events/process-queue",
            {},
          ),
      ),
    );
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      seconds,
      counts: { events: done.reduce((sum, each) => sum + each.processed, 0) },
    };
  };
  const result = await withSettings(bench, untilEmpty, async () => {
    // It warms up as long as the processes that drain directly.
    await fill(bench, { events: 2 * 40_000, users: 2 * 2_000 });
    await work();
    await fill(bench, { events, users });
    await bench.admin`checkpoint`;
    return await work();
  });
  await assertDrained(bench);
  return result;
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

/** A peer's job queue, filled and drained again and again, each time in a new database. */
class Queue {
  readonly added: Result[] = [];
  readonly drained: Result[] = [];

  constructor(
    private readonly bench: Bench,
    private readonly name: "graphile-worker" | "pg-boss",
    private readonly options: { processes: number },
  ) {}

  async run(): Promise<void> {
    const { sizes } = this.bench;
    const url = await this.bench.peerDatabase(this.name);
    const script = `peers/${this.name}.mjs` as const;
    const add = (events: number) =>
      this.bench.race({
        script,
        task: { ...sizes, events, url, action: "add" },
      });
    // What it warms up with.
    await add(2_000);
    const drained = await this.bench.race(
      { script, task: { ...sizes, url, action: "drain" }, ...this.options },
      async () => {
        this.added.push(await add(sizes.events));
        await analyse(url);
      },
    );
    if (drained.counts.events !== sizes.events) {
      throw new Error(
        `${this.name} handled ${drained.counts.events} of ${sizes.events} jobs`,
      );
    }
    this.drained.push(drained);
  }
}

async function analyse(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  await sql`analyze`;
  await sql.end();
}
