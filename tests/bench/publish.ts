import type { Bench, Suite } from "./harness/bench.ts";
import type { Result } from "./harness/contender.ts";
import { figure, rate, ratio } from "./harness/measure.ts";
import type { PublishTask } from "./ours/publish.ts";

/** Publishing in batches, beside an insert that keeps no promise. */
export const publishBatches: Suite = {
  name: "publish",
  measures: ["publish_vs_bare"],
  async measure(bench) {
    const { sizes, stack } = bench;
    const task = {
      ...sizes,
      url: stack.env.DB_URL,
      calls: "of many users",
      warmUp: true,
    } as const;
    const ours: Result[] = [];
    const bare: Result[] = [];
    for (let run = 1; run <= sizes.runs; run++) {
      bench.progress(`publish: run ${run} of ${sizes.runs}`);
      ours.push(await publish(bench, task, bench.reset));
      bare.push(await insertBare(bench));
    }
    await bench.reset();
    return [
      ratio("publish_vs_bare", rate(ours) / rate(bare), "higher", { reach: 0.35, aim: 0.6 }),
      figure("publish_rate", rate(ours), "events/s", "higher"),
      figure("bare_insert_rate", rate(bare), "rows/s", "higher"),
    ];
  },
};

async function insertBare({ admin, sizes, stack, race, reset }: Bench): Promise<Result> {
  await reset();
  await admin`create schema bare`;
  await admin`
    create table bare.events (like public.phoenix_events including defaults, primary key (user_id, version))
  `;
  try {
    const task = { ...sizes, url: stack.env.SUPERUSER_DB_URL };
    return await race({ script: "peers/bare-insert.mjs", task }, () => admin`truncate bare.events`);
  } finally {
    await admin`drop schema bare cascade`;
  }
}

/** One user's events a call, as an app sends them, beside Emmett's append of as many. */
function publishCalls(
  name: string,
  { batch, share, promise }: {
    batch: number;
    /** Of the events that are published elsewhere. */
    share: number;
    promise: { reach: number; aim: number };
  },
): Suite {
  return {
    name: `publish-${name}`,
    measures: [`publish_${name}_vs_emmett`],
    async measure(bench) {
      const { sizes, stack } = bench;
      const task = { ...sizes, events: sizes.events * share, batch, warmUp: true };
      const ours: Result[] = [];
      const emmett: Result[] = [];
      for (let run = 1; run <= sizes.runs; run++) {
        bench.progress(`publish ${name}: run ${run} of ${sizes.runs}`);
        const url = stack.env.DB_URL;
        ours.push(await publish(bench, { ...task, url, calls: "of one user" }, bench.reset));
        await bench.reset();
        emmett.push(
          await bench.race({
            script: "peers/emmett.mjs",
            task: { ...task, url: await bench.peerDatabase("emmett") },
          }),
        );
      }
      await bench.reset();
      return [
        ratio(`publish_${name}_vs_emmett`, rate(ours) / rate(emmett), "higher", promise),
        figure(`publish_${name}_rate`, rate(ours), "events/s", "higher"),
        figure(`emmett_append_${name}_rate`, rate(emmett), "events/s", "higher"),
      ];
    },
  };
}

// A call of one event takes as long as one of many: a fifth of the events are seconds enough.
export const publishOne = publishCalls("one", {
  batch: 1,
  share: 1 / 5,
  promise: { reach: 1.5, aim: 3 },
});
export const publishTwenty = publishCalls("twenty", {
  batch: 20,
  share: 1,
  promise: { reach: 1.3, aim: 3 },
});

/**
 * @param prepare what is done between warming up and the start
 * @throws Error where not every event was accepted
 */
export async function publish(
  bench: Bench,
  task: PublishTask,
  prepare?: () => Promise<unknown>,
): Promise<Result> {
  const result = await bench.race({ script: "ours/publish.ts", task }, prepare);
  if (result.counts.events !== task.events) {
    throw new Error(`only ${result.counts.events} of ${task.events} events were accepted`);
  }
  return result;
}
