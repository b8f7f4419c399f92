import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import { type Event, event } from "../support/flywheel.ts";
import { besides, hotPath } from "../support/hot-path.ts";
import { fillFolded, fillHistory, fillLog, largeTables, userOf } from "../support/large-store.ts";
import { fullReads, type Plan, watch, type Watched } from "../support/plans.ts";

const users = 20_000;
/** More than a batch of a hundred users has to do with, and far less than a table holds. */
const rows = 4_000;

let base: TestDatabase;
let watched: Watched;

async function begin(): Promise<void> {
  base = await testDatabase();
  watched = await watch(base.superuserUrl);
}

async function end(): Promise<void> {
  await watched?.[Symbol.asyncDispose]();
  await base?.[Symbol.asyncDispose]();
}

type Fill = typeof fillLog;
const fills: readonly Fill[] = [fillLog, fillFolded];

/** How the store stood when the plans were made. */
interface Early {
  store: string;
  /** What was filled already. */
  early: readonly Fill[];
  /** Whether the planner knew it. */
  isCounted: boolean;
  acts: typeof hotPath;
}

const readsIn = (plans: readonly Plan[]) => fullReads(plans, { tables: largeTables, rows });

const countsInPartialIndexes =
  "the queue's status, which counts dead letters and failures in their partial indexes";
const askStatus = (sql: postgres.Sql) => sql`select flywheel.queue_status()`;

/** Reads for the queue's status of more than a partial index of few rows. */
async function readsForStatus(): Promise<string[]> {
  const reads = readsIn(await watched.explained(askStatus));
  return reads.filter((read) =>
    /^Seq Scan| of streams/.test(read) || Number(/, (\d+) rows/.exec(read)![1]) > rows
  );
}

describe("no hot query reads a large table from end to end", () => {
  beforeAll(async () => {
    await begin();
    for (const fill of fills) await fill(base.superuser, { from: 0, upto: users });
    await base.superuser.unsafe("vacuum analyze");
  }, 120_000);
  afterAll(end);

  test.each<[string, RegExp, string]>([
    ["Seq Scan", /^Seq Scan of states/, "select from flywheel.states where shape = ''"],
    [
      "Index Only Scan",
      /^Index Only Scan of states, 20000 rows/,
      "select user_id from flywheel.states",
    ],
    [
      "Index Scan",
      /^Index Scan of states, 20000 rows/,
      "select shape from flywheel.states order by user_id",
    ],
    [
      "Bitmap Heap Scan",
      /^Bitmap Heap Scan of deliveries/,
      "select from flywheel.deliveries where available_at is not null",
    ],
    [
      "scan whose condition bounds nothing",
      /^Index Scan of states, 20000 rows/,
      `select shape from flywheel.states where user_id >= '${userOf(0)}'`,
    ],
    [
      "scan whose filter throws away what it read",
      /^Index Scan of states, 20000 rows/,
      `select from flywheel.states where user_id >= '${userOf(0)}' and shape = ''`,
    ],
    [
      "scan that is repeated",
      /^Index Scan of states, 20000 rows/,
      `select st.shape from generate_series(0, 199) as g, lateral (
        select * from flywheel.states as s
        where s.user_id > ('00000000-0000-4000-8000-' || lpad(to_hex(g), 12, '0'))::uuid
        order by s.user_id
        limit 100
      ) as st`,
    ],
  ])("this test sees a %s that does", async (kind, read, statement) => {
    const isBitmap = kind.startsWith("Bitmap");
    const plans = await watched.explained((sql) =>
      sql.unsafe(`
        begin;
        set local enable_seqscan = ${kind === "Seq Scan"};
        set local enable_bitmapscan = ${isBitmap};
        set local enable_indexscan = ${!isBitmap};
        ${statement};
        rollback;
      `).simple()
    );
    expect(readsIn(plans)).toEqual([expect.stringMatching(read)]);
  });

  test.each([...hotPath, ...besides])("%s", async (_, act) => {
    expect(readsIn(await watched.explained((sql) => act(sql, userOf)))).toEqual([]);
  });

  test(countsInPartialIndexes, async () => {
    expect(await readsForStatus()).toEqual([]);
  });

  test("a replay's progress", async () => {
    expect(readsIn(await watched.explained((sql) => sql`select flywheel.replay_progress()`)))
      .toEqual([]);
  });
});

describe.each<Early>([
  { store: "nearly empty", early: [], isCounted: false, acts: [...hotPath, ...besides] },
  // By these counts what is not of the hot path may well read a whole table.
  { store: "full of events, and no user folded", early: [fillLog], isCounted: true, acts: hotPath },
])(
  "no plan that was made while the store was $store does so once it is large:",
  ({ early, isCounted, acts }) => {
    const few = { from: 0, upto: 20 };
    const others = { from: 20, upto: users };

    beforeAll(async () => {
      await begin();
      // Nobody counts later what the tables hold, so that no plan is made anew.
      for (const table of largeTables) {
        const schema = table.startsWith("phoenix") ? "public" : "flywheel";
        await base.admin.unsafe(`alter table ${schema}.${table} set (autovacuum_enabled = false)`);
      }
      for (const fill of fills) await fill(base.superuser, few);
      for (const fill of early) await fill(base.superuser, others);
      await base.admin`delete from flywheel.states`;
      if (isCounted) await base.superuser.unsafe("vacuum analyze");
      // Often enough for every plan to be kept that may be.
      for (let time = 0; time < 7; time++) {
        for (const [, act] of acts) {
          await rolledBack((sql) => act(sql, (n) => userOf(n % few.upto)));
        }
        await askStatus(watched.sql);
      }
      for (const fill of fills) if (!early.includes(fill)) await fill(base.superuser, others);
    }, 240_000);
    afterAll(end);

    /** Runs something whose writes are gone afterwards, while the connection keeps its plans. */
    async function rolledBack(run: (sql: postgres.Sql) => Promise<void>): Promise<void> {
      await watched.sql`begin`;
      await run(watched.sql);
      await watched.sql`rollback`;
    }

    test.each(acts)("%s", async (_, act) => {
      expect(readsIn(await watched.explained((sql) => act(sql, userOf)))).toEqual([]);
    });

    test(countsInPartialIndexes, async () => {
      expect(await readsForStatus()).toEqual([]);
    });
  },
);

/** By such statistics a plan that goes by the user alone looks no dearer than one by a whole key; for a user with many events it is. */
describe("where nearly every user has one event, the long history of another is not read", () => {
  const veteran = userOf(users);
  const events = 1_000;
  /** The time that an app gives for all that was long ago, where it knows no better. */
  const oneDay = "2025-02-01T00:00:00Z";
  let published = 0;

  beforeAll(async () => {
    await begin();
    await fillHistory(base.superuser, { from: 0, upto: users }, 1);
    await fillHistory(base.superuser, { from: users, upto: users + 1 }, events);
    for (let batch = 0; batch < 10; batch++) {
      const body = JSON.stringify({ events: told({ timestamp: oneDay }) });
      await base.superuser`select flywheel.publish(${body})`;
    }
    await base.superuser.unsafe("vacuum analyze");
  }, 120_000);
  afterAll(end);

  const told = (more: Event) =>
    Array.from({ length: 50 }, () => event(veteran, { payload: { n: published++ }, ...more }));

  test.each<[string, Event[]]>([
    ["an event", told({}).slice(0, 1)],
    ["an event of a time long ago", told({ timestamp: "2025-03-01T10:00:00Z" }).slice(0, 1)],
    ["a batch", told({})],
    ["a batch of a time long ago", told({ timestamp: "2025-03-01T10:00:00Z" })],
    ["a batch that is timely", told({ timestamp: new Date().toISOString() })],
    ["a batch of one and the same day as all before", told({ timestamp: oneDay })],
    ["an event of that day", told({ timestamp: oneDay }).slice(0, 1)],
  ])("to publish %s", async (_, events) => {
    const plans = await watched.explained((sql) =>
      sql`select flywheel.publish(${JSON.stringify({ events })})`
    );
    expect(fullReads(plans, { tables: largeTables, rows: 10 * events.length })).toEqual([]);
  });

  test("to lease and commit", async () => {
    const reactor: Reactor = {
      name: "none",
      version: 1,
      initial: {},
      react: (state) => ({ state }),
    };
    const shape = shapeOfWork([reactor]);
    await base.superuser`
      insert into flywheel.states (user_id, shape, state) values (${veteran}, ${shape}, '{}')
    `;
    const drain = async (sql: postgres.Sql) => {
      const leased = await lease(sql, shape);
      if (!leased) return 0;
      return (await work(sql, [reactor], shape, leased)).committed.users.length;
    };
    // What came late is counted from the log.
    while (await drain(watched.sql) > 0);
    await watched.sql`
      select flywheel.publish(${
      JSON.stringify({ events: told({ timestamp: new Date().toISOString() }) })
    })
    `;
    const plans = await watched.explained(async (sql) => expect(await drain(sql)).toBe(1));
    expect(fullReads(plans, { tables: largeTables, rows: 500 })).toEqual([]);
  });

  test("to hand over somebody who was handed over often, and has much to be told of", async () => {
    await fillFolded(base.superuser, { from: 0, upto: users });
    await base.superuser`
      insert into public.phoenix_transitions (
        user_id, transition_id, source_app, target_app, context, status, requested_at, expires_at
      )
      select
        ${veteran}, gen_random_uuid(), 'aube', 'cv', '{}', case n when 0 then 'requested' else 'expired' end,
        now() - n * interval '1 minute', now() + interval '1 day'
      from generate_series(0, ${events - 1}::int) as n
    `;
    await base.superuser`
      insert into flywheel.deliveries (
        user_id, delivery_id, app, kind, transition_id, message, created_at, available_at
      )
      select t.user_id, gen_random_uuid(), 'cv', 'transition', t.transition_id, '{}', now(), now() + interval '1 day'
      from public.phoenix_transitions as t
      where t.user_id = ${veteran}
    `;
    await base.superuser.unsafe("vacuum analyze");
    let opened: boolean | undefined;
    // As in flywheel.commit().
    await watched.sql`set plan_cache_mode = force_generic_plan`;
    const plans = await watched.explained(async (sql) => {
      const [row] = await sql`
        select flywheel.open_transition(
          row(
            gen_random_uuid(), ${veteran}, 'aube', 'cv', '{}', 'requested', now() + interval '1 second', null, null, null,
            null, now() + interval '1 day', null, null, null, null
          )
        ) as opened
      `;
      opened = row!.opened;
    });
    await watched.sql`reset plan_cache_mode`;
    expect(opened).toBe(true);
    expect(fullReads(plans, { tables: largeTables, rows: 10 })).toEqual([]);
  });
});
