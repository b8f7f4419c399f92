import { drain, fill } from "./drain.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, type Measure, median, ratio } from "./harness/measure.ts";

/** Whether an event costs more where there are ten times the events and users, and how large the streams are then. */
export const volumeCost: Suite = {
  name: "volume",
  measures: ["volume_cost"],
  async measure(bench) {
    const { events, users, runs } = bench.sizes;
    const small: number[] = [];
    const large: number[] = [];
    for (let run = 1; run <= runs; run++) {
      bench.progress(`volume: run ${run} of ${runs}`);
      small.push(await microseconds(bench, { events, users }));
      large.push(
        await microseconds(bench, { events: events * 10, users: users * 10 }),
      );
    }
    const left = await sizeOfStreams(bench);
    await bench.reset();
    return [
      ratio("volume_cost", median(large) / median(small), "lower", {
        reach: 1.2,
        aim: 1.05,
      }),
      figure("drain_cost_small", median(small), "µs", "lower"),
      figure("drain_cost_large", median(large), "µs", "lower"),
      ...left,
    ];
  },
};

async function microseconds(
  bench: Bench,
  { events, users }: { events: number; users: number },
): Promise<number> {
  const { seconds } = await drain(bench, () => fill(bench, { events, users }));
  return seconds / events * 1e6;
}

/** The table that every publish, lease and commit rewrites, and how much larger it is than its rows written once. */
async function sizeOfStreams({ admin }: Bench): Promise<Measure[]> {
  await admin`create table flywheel.streams_once (like flywheel.streams including all)`;
  await admin`insert into flywheel.streams_once select * from flywheel.streams order by user_id`;
  const [size] = await admin<Record<string, number>[]>`
    select
      pg_table_size('flywheel.streams')::float8 as rows,
      pg_indexes_size('flywheel.streams')::float8 as indexes,
      pg_table_size('flywheel.streams_once')::float8 as rows_once,
      pg_indexes_size('flywheel.streams_once')::float8 as indexes_once
  `;
  await admin`drop table flywheel.streams_once`;
  const { rows, indexes, rows_once, indexes_once } = size!;
  return [
    figure("streams_size", rows! / 1e6, "MB", "lower"),
    figure("streams_bloat", rows! / rows_once!, "×", "lower"),
    figure("streams_indexes_size", indexes! / 1e6, "MB", "lower"),
    figure("streams_indexes_bloat", indexes! / indexes_once!, "×", "lower"),
  ];
}
