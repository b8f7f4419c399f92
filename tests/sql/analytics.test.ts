import fc from "fast-check";
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { journeySteps } from "../../shared/domain/journey-steps.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import type { Database } from "../../shared/platform/database.ts";
import { exampleEvents } from "../support/analytics-example.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, type Event, publish, tell } from "../support/flywheel.ts";
import { mergeAll } from "../support/rollups.ts";
import * as straightforward from "../support/straightforward.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  await base.admin`update flywheel.settings set linger = '0'`;
});
afterAll(() => base[Symbol.asyncDispose]());

const day = 86_400_000;
const flywheel = "flywheel";
const now = Date.now();

const steps = journeySteps.slice(0, -1);

/** What users of every app do: a type, its app and its payload. */
const deed: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom(...steps).chain((event_type) =>
    fc.record({
      event_type: fc.constant(event_type),
      app_source: fc.constant("aube"),
      payload: event_type === "métier_choisi"
        ? fc.record({ métier: fc.constantFrom("Coach", "Data Scientist", "Designer UX", "Élu") })
        : fc.constant({}),
    })
  ),
  fc.record({
    event_type: fc.constantFrom("cv.uploaded", "cv.generated"),
    app_source: fc.constant("cv"),
  }),
  fc.record({ event_type: fc.constant("letter.generated"), app_source: fc.constant("letters") }),
  fc.record({ event_type: fc.constant("goal.set"), app_source: fc.constantFrom("rise", "cv") }),
  fc.record({
    event_type: fc.constant("user.login"),
    app_source: fc.constantFrom("cv", "website"),
  }),
  fc.record({
    event_type: fc.constant("subscription.activated"),
    app_source: fc.constantFrom("website", "cv"),
    payload: fc.record({ amount_eur: fc.constantFrom(9.99, 19.9, 5) }),
  }),
  fc.record({
    event_type: fc.constant("feedback.submitted"),
    app_source: fc.constantFrom("aube", "cv"),
    payload: fc.record({ satisfaction: fc.constantFrom(1, 3, 4.5, 5) }),
  }),
  fc.record({
    event_type: fc.constant("transition_écosystème"),
    app_source: fc.constant("aube"),
    payload: fc.record({ target_app: fc.constantFrom("cv", "letters") }),
  }),
);

/** A transition from request to its end, as the flywheel tells it, at any time in the last months. */
const saga: fc.Arbitrary<Event[]> = fc.record({
  id: fc.uuid(),
  target_app: fc.constantFrom("cv", "letters", "rise"),
  at: fc.integer({ min: 10, max: 90 * day }),
  minutes: fc.integer({ min: 0, max: 600 }),
  end: fc.constantFrom("accepted", "rejected", "expired", undefined),
}).map(({ id, target_app, at, minutes, end }) =>
  [["requested", 0], [end, minutes]].flatMap(([status, later]) =>
    status === undefined ? [] : {
      event_type: "transition_écosystème",
      app_source: flywheel,
      payload: { transition_id: id, target_app, status },
      timestamp: new Date(Math.min(now, now - at + Number(later) * 60_000)).toISOString(),
    }
  )
);

const happened = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 45 * day }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 400 * day }) },
).map((at) => new Date(now - at).toISOString());

/** New events of some of 150 users, published in no particular order. */
const events: fc.Arbitrary<Event[]> = fc.tuple(
  fc.array(fc.tuple(deed, happened), { minLength: 20, maxLength: 60 }),
  fc.array(saga, { minLength: 2, maxLength: 6 }),
).chain(([deeds, sagas]) => {
  const stories = [
    ...deeds.map(([each, timestamp]) => [{ ...each, timestamp }]),
    ...sagas,
  ];
  return fc.array(fc.nat(149), { minLength: stories.length, maxLength: stories.length }).map(
    (users) =>
      stories.flatMap((story, index) =>
        story.map((each) => ({ ...each, user_id: userOf(users[index]!) }))
      ),
  );
});

function userOf(index: number): string {
  return `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
}

/** Two ways to the same figures, read in one transaction. */
type Way = (sql: postgres.TransactionSql) => Promise<unknown>;

const figures = (query: string, days: number): Way => async (sql) => {
  const [row] = await sql.unsafe<{ figures: Record<string, unknown> }[]>(query, [days]);
  const { generated_at: _, ...rest } = row!.figures;
  return rest;
};
const rows = (query: string, ...parameters: number[]): Way => async (sql) => [
  ...await sql.unsafe(query, parameters),
];

const pairs: Record<string, readonly [ours: Way, straightforward: Way]> = {};
for (const days of [1, 30, 366]) {
  pairs[`get_phoenix_ecosystem_stats(${days})`] = [
    figures("select public.get_phoenix_ecosystem_stats($1) as figures", days),
    figures(straightforward.ecosystemStats, days),
  ];
  pairs[`get_aube_metrics(${days})`] = [
    figures("select public.get_aube_metrics($1) as figures", days),
    figures(straightforward.aubeMetrics, days),
  ];
  pairs[`get_phoenix_kpis(${days})`] = [
    figures("select public.get_phoenix_kpis($1) as figures", days),
    figures(straightforward.kpis, days),
  ];
}
for (const weeks of [1, 5, 53]) {
  pairs[`get_aube_funnel(${weeks})`] = [
    rows(
      `select
        cohort_week::text, step, event_type, users::integer, conversion::text, median_minutes::text, p90_minutes::text, exits::integer
      from public.get_aube_funnel($1)`,
      weeks,
    ),
    rows(straightforward.aubeFunnel, weeks),
  ];
  pairs[`get_phoenix_retention(${weeks})`] = [
    rows(
      `select app_source, cohort_week::text, weeks_later, users::integer, retention::text
      from public.get_phoenix_retention($1)
      order by app_source nulls first, cohort_week, weeks_later`,
      weeks,
    ),
    rows(straightforward.retention, weeks),
  ];
}
pairs["phoenix_ecosystem_analytics"] = [
  rows(`
    select
      date::text, app_source, event_type, event_count::integer, unique_users::integer,
      (extract(epoch from avg_time_between_events) * 1000000)::bigint::text as micros_between
    from public.phoenix_ecosystem_analytics
    order by 1, 2, 3`),
  rows(straightforward.ecosystemAnalytics),
];
pairs["phoenix_nudge_opportunities"] = [
  rows("select * from public.phoenix_nudge_opportunities order by user_id"),
  rows(straightforward.nudgeOpportunities),
];

/** What somebody did last week who began the journey then, so that every funnel of several weeks changes, and wrote a letter. */
const lastWeekOf = (user_id: string): Event[] =>
  [[steps[0]!, "aube"], ["letter.generated", "letters"]].map(([event_type, app_source]) => ({
    user_id,
    event_type,
    app_source,
    timestamp: new Date(now - 8 * day).toISOString(),
  }));

test("every view and function says what a straightforward query over the log says", async () => {
  const told = new Map<string, Set<string>>();
  await fc.assert(
    fc.asyncProperty(events, fc.boolean(), async (events, isMerged) => {
      const newcomer = crypto.randomUUID();
      const published = await publish(
        database,
        [...events.filter(({ app_source }) => app_source !== flywheel), ...lastWeekOf(newcomer)],
      );
      expect(published.rejected).toBe(0);
      await tell(base.admin, events.filter(({ app_source }) => app_source === flywheel));
      await drain(database, reactors);
      // The flywheel leaves hardly anybody to nudge: half of its nudges were long ago, and the newcomer's.
      await base.admin`
        update public.phoenix_nudges_sent
        set sent_at = now() - interval '60 days'
        where nudge_id < '80000000-0000-0000-0000-000000000000' or user_id = ${newcomer}
      `;
      if (isMerged) await database`select flywheel.merge_rollups()`;
      await base.admin.begin("isolation level repeatable read read only", async (sql) => {
        for (const [name, [ours, straight]] of Object.entries(pairs)) {
          const figures = await ours(sql);
          expect(figures, name).toEqual(await straight(sql));
          told.set(name, (told.get(name) ?? new Set()).add(JSON.stringify(figures)));
        }
      });
    }),
    { numRuns: 25, endOnFailure: true },
  );
  // Figures of nothing would be equal, too. Few things happen on one day.
  for (const [name, answers] of told) {
    if (!name.endsWith("(1)")) expect(answers.size, name).toBeGreaterThan(3);
  }
}, 300_000);

test("every figure is that of UTC days and weeks, in whatever time zone it is asked for", async () => {
  const zones = ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/New_York"];
  await base.admin.begin("isolation level repeatable read", async (sql) => {
    for (const [name, [ours]] of Object.entries(pairs)) {
      const answers: unknown[] = [];
      // At any moment it is another day in one of the two in the middle.
      for (const zone of zones) {
        await sql`select set_config('timezone', ${zone}, true)`;
        answers.push(await ours(sql));
      }
      expect(answers, name).toEqual(zones.map(() => answers[0]));
    }
  });
});

test("a signed-in user's phoenix_ecosystem_analytics is what the log says of their own events", async () => {
  const users = await base.admin<{ user_id: string; types: number }[]>`
    select user_id, count(distinct (app_source, event_type, ("timestamp" at time zone 'UTC')::date))::int as types
    from public.phoenix_events
    group by user_id
    having bool_or(app_source = 'flywheel')
    order by count(*) desc
    limit 10
  `;
  expect(users).toHaveLength(10);
  const [ours] = pairs["phoenix_ecosystem_analytics"]!;
  for (const { user_id, types } of users) {
    await base.admin.begin("read only", async (sql) => {
      const claims = JSON.stringify({ sub: user_id, role: "authenticated" });
      await sql`
        select
          set_config('role', 'authenticated', true),
          set_config('request.jwt.claims', ${claims}, true),
          set_config('timezone', 'Pacific/Kiritimati', true)
      `;
      const theirs = await sql.unsafe(straightforward.ecosystemAnalytics);
      expect(theirs).toHaveLength(types);
      expect(await ours(sql)).toEqual([...theirs]);
    });
  }
});

describe("of nobody", () => {
  const nothing = {
    "get_phoenix_ecosystem_stats(30)": {
      period_days: 30,
      total_events: 0,
      unique_users: 0,
      avg_events_per_user: 0,
      app_breakdown: {},
      top_events: {},
    },
    "get_aube_metrics(30)": {
      parcours_commencés: 0,
      parcours_complétés: 0,
      taux_completion: 0,
      transitions_écosystème: 0,
      temps_moyen_parcours: null,
      satisfaction_moyenne: null,
      métiers_populaires: [],
    },
    "get_phoenix_kpis(30)": {
      transition_rate: null,
      avg_transition_minutes: null,
      cross_app_retention_30d: null,
      cross_sell_revenue_uplift: null,
    },
    "get_aube_funnel(53)": [],
    "get_phoenix_retention(53)": [],
    phoenix_ecosystem_analytics: [],
    phoenix_nudge_opportunities: [],
  };
  const answersOf = (sql: postgres.Sql) =>
    sql.begin("isolation level repeatable read", async (sql) => {
      const answers: Record<string, unknown> = {};
      for (const name of Object.keys(nothing)) answers[name] = await pairs[name]![0](sql);
      return answers;
    });

  test("figures are 0, or unknown where there is nothing to divide by", async () => {
    await using empty = await testDatabase();
    expect(await answersOf(empty.admin)).toEqual(nothing);
  });

  test.each([true, false])(
    "nothing is left once they are erased, whether merged before: %s",
    async (isMerged) => {
      await using erased = await testDatabase();
      const database = erased.connect();
      const events = exampleEvents();
      const isTold = ({ app_source }: Event) => app_source === flywheel;
      await publish(database, events.filter((event) => !isTold(event)));
      await tell(erased.admin, events.filter(isTold));
      await drain(database, []);
      if (isMerged) await mergeAll(database);
      for (const user_id of new Set(events.map(({ user_id }) => user_id as string))) {
        await database`select flywheel.erase_user(${user_id}, 'asked for')`;
      }
      expect(await answersOf(erased.admin)).toEqual(nothing);
      await mergeAll(database);
      expect(await answersOf(erased.admin)).toEqual(nothing);
    },
  );
});

test("a key figure is 0 where some could have and nobody did, and unknown where nobody could have", async () => {
  await using little = await testDatabase();
  const database = little.connect();
  const kpis = async () => {
    await drain(database, []);
    const [row] = await little.admin`select public.get_phoenix_kpis(30) as kpis`;
    return row!.kpis as Record<string, unknown>;
  };
  const told = (status: string, daysAgo: number) => ({
    user_id: userOf(0),
    event_type: "transition_écosystème",
    payload: { transition_id: String(daysAgo), target_app: "rise", status },
    timestamp: new Date(now - daysAgo * day).toISOString(),
  });
  await tell(little.admin, [told("requested", 40), told("accepted", 40), told("requested", 5)]);
  expect(await kpis()).toEqual({
    transition_rate: 0,
    avg_transition_minutes: null,
    cross_app_retention_30d: 0,
    cross_sell_revenue_uplift: null,
  });

  const used = (index: number, app_source: string) => ({
    user_id: userOf(index),
    event_type: "test.happened",
    app_source,
  });
  const paid = (amount_eur: number, index = 2) => ({
    ...used(index, "website"),
    event_type: "subscription.activated",
    payload: { amount_eur },
  });
  const uplift = async (...events: Event[]) => {
    await publish(database, events);
    return (await kpis()).cross_sell_revenue_uplift;
  };
  expect(await uplift(used(1, "cv"), used(1, "letters")), "nobody has one product").toBeNull();
  expect(await uplift(used(2, "aube")), "nobody has paid").toBeNull();
  expect(await uplift(paid(0)), "nothing was paid").toBeNull();
  expect(await uplift(paid(10)), "users of several paid nothing").toBe(-1);

  const ofSeveral = [3, 4, 5].flatMap((index) => [used(index, "cv"), used(index, "letters")]);
  const ofOne = [6, 7].map((index) => used(index, "rise"));
  expect(
    await uplift(...ofSeveral, ...ofOne, paid(18, 1), paid(6)),
    "a quarter of 18 over a third of 16, less 1, is -0.15625",
  ).toBe(-0.1563);
});

describe("a period", () => {
  const ofDays = [
    "get_aube_metrics",
    "get_phoenix_ecosystem_stats",
    "get_phoenix_kpis",
    "get_phoenix_nudge_experiments",
  ].map((name) => [name, 366, "invalid_days"] as const);
  const ofWeeks = ["get_aube_funnel", "get_phoenix_retention"]
    .map((name) => [name, 53, "invalid_weeks"] as const);

  test.each([...ofDays, ...ofWeeks])(
    "of %s is from 1 to %i, or else %s",
    async (name, most, detail) => {
      const ask = (length: number | null) =>
        base.admin.unsafe(`select * from public.${name}($1::integer)`, [length]);
      await ask(1);
      await ask(most);
      for (const length of [null, -1, 0, most + 1]) {
        await expect(ask(length), String(length)).rejects.toMatchObject({ code: "PT400", detail });
      }
    },
  );
});

test("percentiles are those of percentile_cont, of what is merged and of what is not", async () => {
  await database`select flywheel.merge_rollups()`;
  const seconds: fc.Arbitrary<number> = fc.oneof(
    fc.nat(20),
    fc.nat(5000),
    fc.nat(2_000_000),
    fc.constantFrom(0, 7, 8, 26, 27, 2_147_483_647),
  );
  // Which nobody asks for.
  const weekBefore = "2099-12-28";
  const weeks = ["2100-01-04", "2100-01-11"] as const;
  const week = fc.array(seconds, { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(week, week),
      fc.tuple(week, week),
      fc.nat(60),
      async (merged, pending, leave) => {
        const rolledBack = new Error("rolled back");
        await base.admin.begin(async (sql) => {
          const add = (values: readonly number[][], forgotten: readonly number[][]) =>
            sql`
              insert into flywheel.rollup_increments (increments)
              select jsonb_agg(jsonb_build_array(
                'step', w.day - date '1970-01-01', '', 'métier_choisi', 0, 0, 0, w.remembered, w.forgotten
              ))
              from jsonb_to_recordset(${
              JSON.stringify([
                { day: weekBefore, remembered: [1, 100_000], forgotten: [] },
                ...weeks.map((day, index) => ({
                  day,
                  remembered: values[index],
                  forgotten: forgotten[index],
                })),
              ])
            }::text::jsonb) as w (day date, remembered jsonb, forgotten jsonb)
            `;
          await add(merged, [[], []]);
          await sql`select flywheel.merge_rollups()`;
          const forgotten = merged.map((each) => each.slice(leave));
          await add(pending, forgotten);

          const ours = await sql`
            select coalesce(week::text, 'all') as week, share, seconds
            from flywheel.step_percentiles(${weeks[0]})
            order by week, share
          `;
          const all = weeks.map((_, index) => [
            ...merged[index]!.slice(0, leave),
            ...pending[index]!,
          ]);
          const straight = await sql`
            select v.week, s.share, percentile_cont(s.share) within group (order by e.value::integer) as seconds
            from jsonb_to_recordset(${
            JSON.stringify([
              { week: "all", seconds: all.flat() },
              ...weeks.map((week, index) => ({ week, seconds: all[index] })),
            ])
          }::text::jsonb) as v (week text, seconds jsonb)
            cross join (values (0.5::double precision), (0.9)) as s (share)
            cross join lateral jsonb_array_elements_text(v.seconds) as e
            group by v.week, s.share
            order by v.week, s.share
          `;
          expect([...ours].sort(byWeek)).toEqual([...straight].sort(byWeek));
          throw rolledBack;
        }).catch((error: unknown) => {
          if (error !== rolledBack) throw error;
        });
      },
    ),
    {
      numRuns: 50,
      endOnFailure: true,
      // A week of which everything is forgotten.
      examples: [[[[5], [3431, 6]], [[2568, 15, 0], []], 0]],
    },
  );
});

function byWeek(one: postgres.Row, other: postgres.Row): number {
  return one.week < other.week ? -1 : one.week > other.week ? 1 : one.share - other.share;
}
