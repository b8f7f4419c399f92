import type { Bench, Suite } from "./harness/bench.ts";
import type { Result } from "./harness/contender.ts";
import { figure, type Measure, median, ratio } from "./harness/measure.ts";
import type { PublishTask } from "./ours/publish.ts";

const perSecond = (results: readonly Result[]) =>
  median(results.map(({ seconds, counts }) => counts.events! / seconds));

/** Publishing in batches, beside an insert that keeps no promise. */
export const publishBatches: Suite = {
  name: "publish",
  measures: ["publish_vs_bare"],
  async measure(bench) {
    const { admin, sizes, stack } = bench;
    const task = {
      ...sizes,
      url: stack.env.DB_URL,
      calls: "of many users",
    } as const;
    const ours: Result[] = [];
    const checked: Result[] = [];
    const bare: Result[] = [];
    for (let run = 1; run <= sizes.runs; run++) {
      bench.progress(`publish: run ${run} of ${sizes.runs}`);
      await bench.reset();
      ours.push(await publish(bench, task));
      await bench.reset();
      await admin`drop schema if exists bare cascade`;
      await admin`create schema bare`;
      await admin`
        create table bare.events (like public.phoenix_events including defaults, primary key (user_id, version))
      `;
      bare.push(
        await bench.race({
          script: "peers/bare-insert.mjs",
          task: { ...sizes, url: stack.env.SUPERUSER_DB_URL },
        }),
      );
      await admin`drop schema bare cascade`;
      checked.push(await publish(bench, { ...task, checked: true }));
    }
    await bench.reset();
    return [
      ratio("publish_vs_bare", perSecond(ours) / perSecond(bare), "higher", {
        reach: 0.35,
        aim: 0.6,
      }),
      figure("publish_rate", perSecond(ours), "events/s", "higher"),
      figure("publish_checked_rate", perSecond(checked), "events/s", "higher"),
      figure("bare_insert_rate", perSecond(bare), "rows/s", "higher"),
    ];
  },
};

/** One user's events a call, as an app sends them, beside Emmett's append of as many. */
function publishCalls(
  name: string,
  batch: number,
  events: (bench: Bench) => number,
  promise: { reach: number; aim: number },
): Suite {
  return {
    name: `publish-${name}`,
    measures: [`publish_${name}_vs_emmett`],
    async measure(bench): Promise<Measure[]> {
      const { sizes, stack } = bench;
      const task = { ...sizes, events: events(bench), batch };
      const ours: Result[] = [];
      const emmett: Result[] = [];
      for (let run = 1; run <= sizes.runs; run++) {
        bench.progress(`publish ${name}: run ${run} of ${sizes.runs}`);
        await bench.reset();
        ours.push(
          await publish(bench, {
            ...task,
            url: stack.env.DB_URL,
            calls: "of one user",
          }),
        );
        emmett.push(
          await bench.race({
            script: "peers/emmett.mjs",
            task: { ...task, url: await bench.peerDatabase("emmett") },
          }),
        );
      }
      await bench.reset();
      return [
        ratio(
          `publish_${name}_vs_emmett`,
          perSecond(ours) / perSecond(emmett),
          "higher",
          promise,
        ),
        figure(`publish_${name}_rate`, perSecond(ours), "events/s", "higher"),
        figure(
          `emmett_append_${name}_rate`,
          perSecond(emmett),
          "events/s",
          "higher",
        ),
      ];
    },
  };
}

// A call of one event costs as much as one of twenty: a fifth of the events are as many seconds.
export const publishOne = publishCalls(
  "one",
  1,
  ({ sizes }) => sizes.events / 5,
  {
    reach: 1.5,
    aim: 3,
  },
);
export const publishTwenty = publishCalls(
  "twenty",
  20,
  ({ sizes }) => sizes.events,
  {
    reach: 1.3,
    aim: 3,
  },
);

/** @throws Error where not every event was accepted */
export async function publish(
  bench: Bench,
  task: PublishTask,
): Promise<Result> {
  const result = await bench.race({ script: "ours/publish.ts", task });
  if (result.counts.events !== task.events) {
    throw new Error(
      `only ${result.counts.events} of ${task.events} events were accepted`,
    );
  }
  return result;
}
