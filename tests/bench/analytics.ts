import { deepStrictEqual } from "node:assert/strict";
import postgres from "postgres";
import * as straightforward from "../support/straightforward.ts";
import { writeLog } from "./harness/analytics-log.ts";
import type { Bench, Suite } from "./harness/bench.ts";
import { figure, type Measure, median, percentile, ratio, timed } from "./harness/measure.ts";

/** What analysts ask beside the same asked of the log itself, with equal answers, and what it costs as the log grows. */
export const analytics: Suite = {
  name: "analytics",
  measures: [
    "stats_vs_scan",
    "stats_growth",
    "aube_vs_scan",
    "funnel_vs_scan",
    "kpis_vs_scan",
    "journey_vs_key",
    "opportunities_vs_scan",
  ],
  async measure(bench) {
    const size = bench.quick
      ? { users: 1_000, events: 10_000, days: 90 }
      : { users: 100_000, events: 1_000_000, days: 90 };
    const sql = postgres(bench.stack.env.DB_URL, {
      max: 1,
      onnotice: () => {},
    });
    try {
      bench.progress(`analytics: ${size.events / 10} events`);
      await writeLog(bench, { ...size, events: size.events / 10 });
      const small = await milliseconds(sql, stats, repeats);

      bench.progress(`analytics: ${size.events} events`);
      const { rebuildSeconds } = await writeLog(bench, size);
      const large = await milliseconds(sql, stats, repeats);
      const races = [];
      for (const race of all) {
        bench.progress(`analytics: ${race.name}`);
        races.push(...await run(sql, race, bench.sizes.runs));
      }
      bench.progress("analytics: journeys");
      return [
        ...races,
        ratio("stats_growth", large / small, "lower", { reach: 1.5, aim: 1.1 }),
        ...await journeys(bench, sql),
        figure("rollups_rebuild", rebuildSeconds, "s", "lower"),
      ];
    } finally {
      await sql.end();
      await bench.reset();
    }
  },
};

interface Race {
  /** The measure's name. */
  name: string;
  promise: { reach: number; aim: number };
  ours: string;
  straight: string;
  /** `$1` of both. */
  period?: number;
}

/** How often ours is asked: it is quick. */
const repeats = 100;

const stats: Race = {
  name: "stats_vs_scan",
  promise: { reach: 50, aim: 500 },
  ours: "select public.get_phoenix_ecosystem_stats($1) - 'generated_at' as figures",
  straight: straightforward.ecosystemStats,
  period: 30,
};

const all: readonly Race[] = [
  stats,
  {
    name: "aube_vs_scan",
    promise: { reach: 20, aim: 200 },
    ours: "select public.get_aube_metrics($1) as figures",
    straight: straightforward.aubeMetrics,
    period: 30,
  },
  {
    name: "funnel_vs_scan",
    promise: { reach: 20, aim: 200 },
    ours: `
      select
        cohort_week::text, step, event_type, users::integer, conversion::text, median_minutes::text, p90_minutes::text, exits::integer
      from public.get_aube_funnel($1)`,
    straight: straightforward.aubeFunnel,
    period: 13,
  },
  {
    name: "kpis_vs_scan",
    promise: { reach: 20, aim: 200 },
    ours: "select public.get_phoenix_kpis($1) as figures",
    straight: straightforward.kpis,
    period: 30,
  },
  {
    name: "opportunities_vs_scan",
    promise: { reach: 10, aim: 100 },
    ours: "select * from public.phoenix_nudge_opportunities",
    straight: straightforward.nudgeOpportunities,
  },
];

/** Races ours against the log: @throws AssertionError where the two do not say the same */
async function run(
  sql: postgres.Sql,
  race: Race,
  runs: number,
): Promise<Measure[]> {
  const parameters = race.period === undefined ? [] : [race.period];
  const sorted = (rows: Iterable<unknown>) => [...rows].map((row) => JSON.stringify(row)).sort();
  await sql.begin("isolation level repeatable read read only", async (sql) => {
    deepStrictEqual(
      sorted(await sql.unsafe(race.ours, parameters)),
      sorted(await sql.unsafe(race.straight, parameters)),
    );
  });
  // Each row is worked out whole, which a mere count(*) would spare; to carry them to the client costs both the same.
  const counted = (query: string) => `select count(answer) from (${query} offset 0) as answer`;
  const scan = await milliseconds(sql, {
    ...race,
    ours: counted(race.straight),
  }, Math.max(3, runs));
  const ours = await milliseconds(
    sql,
    { ...race, ours: counted(race.ours) },
    repeats,
  );
  const name = race.name.replace("_vs_scan", "");
  return [
    ratio(race.name, scan / ours, "higher", race.promise),
    figure(`${name}_time`, ours, "ms", "lower"),
    figure(`${name}_scan_time`, scan, "ms", "lower"),
  ];
}

/** The median over some times. */
async function milliseconds(
  sql: postgres.Sql,
  { ours, period }: Race,
  times: number,
) {
  const parameters = period === undefined ? [] : [period];
  const ask = () => sql.unsafe(ours, parameters, { prepare: true });
  await ask();
  const taken = [];
  for (let time = 0; time < times; time++) taken.push(await timed(ask));
  return median(taken);
}

/** A user's journey beside their events read by the primary key, whole and in the journey's columns, for many users in turns. */
async function journeys(
  { admin, quick }: Bench,
  sql: postgres.Sql,
): Promise<Measure[]> {
  const users = await admin<{ user_id: string }[]>`
    select user_id from flywheel.streams order by random() limit ${quick ? 100 : 2_000}
  `;
  const taken = {
    journey: [] as number[],
    key: [] as number[],
    columns: [] as number[],
  };
  for (const { user_id } of users) {
    const byKey = () =>
      sql`select * from public.phoenix_events where user_id = ${user_id} order by version`;
    // So that all three find the pages in memory.
    await byKey();
    taken.journey.push(
      await timed(() =>
        sql`select * from public.phoenix_user_journey where user_id = ${user_id} order by "timestamp"`
      ),
    );
    taken.key.push(await timed(byKey));
    taken.columns.push(
      await timed(() =>
        sql`
          select user_id, event_type, app_source, "timestamp" from public.phoenix_events
          where user_id = ${user_id} order by version
        `
      ),
    );
  }
  const [journey, key, columns] = [taken.journey, taken.key, taken.columns].map(
    (times) => percentile(times, 0.95),
  ) as [number, number, number];
  return [
    ratio("journey_vs_key", journey / key, "lower", { reach: 2, aim: 1.2 }),
    figure("journey_vs_columns", journey / columns, "×", "lower"),
    figure("journey_time_p95", journey, "ms", "lower"),
  ];
}
