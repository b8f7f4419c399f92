import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { day } from "../../shared/domain/duration.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { nudges } from "../../shared/domain/reactors/nudges.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import {
  drain,
  type Event,
  event as eventOf,
  oneWorker,
  publish,
  tell,
} from "../support/flywheel.ts";
import { fullReads, watch } from "../support/plans.ts";
import { mergeAll, publishUnchecked, userOf, wrong } from "../support/rollups.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;
let database: Database;

beforeEach(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterEach(() => base[Symbol.asyncDispose]());

const now = Date.now();
const shape = shapeOfWork([nudges]);

const types = [
  "exploration_commencée",
  "valeurs_explorées",
  "métier_choisi",
  "transition_écosystème",
  "subscription.activated",
  "feedback.submitted",
  "cv.generated",
  "test.happened",
] as const;

const payloads: Record<string, fc.Arbitrary<Record<string, unknown>>> = {
  métier_choisi: fc.record({
    métier: fc.constantFrom<unknown>("Coach", "Data Scientist", "", 7, null, "x".repeat(501)),
  }),
  transition_écosystème: fc.record({
    transition_id: fc.constantFrom<unknown>("a", "b", 3, null),
    status: fc.constantFrom<unknown>(
      "requested",
      "accepted",
      "completed",
      "expired",
      "",
      " ",
      null,
      1,
    ),
    target_app: fc.constantFrom<unknown>("cv", "phoenix_letters", "No slug", "\u00a0", 7, null),
    app_cible: fc.constantFrom<unknown>("rise", "\t", null),
  }, { requiredKeys: [] }),
  "subscription.activated": fc.record({
    amount_eur: fc.constantFrom<unknown>(9.99, 0, 1.005, -1, "9", null),
  }),
  "feedback.submitted": fc.record({
    satisfaction: fc.constantFrom<unknown>(1, 4.5, 5, 4.125, 6, "5"),
  }),
};

/** An event of one of a few users, mostly lately, some long ago. */
const event: fc.Arbitrary<Event> = fc.constantFrom(...types).chain((event_type) =>
  fc.record({
    user: fc.nat(3),
    event_type: fc.constant(event_type),
    app_source: fc.constantFrom("aube", "cv", "letters", "website", "flywheel", "constructor"),
    payload: payloads[event_type] ?? fc.constant({}),
    at: fc.oneof(
      fc.integer({ min: 0, max: 3 * day }),
      fc.integer({ min: 0, max: 100 * day }),
      fc.integer({ min: 0, max: 1000 * day }),
      fc.constant(1000 * 365 * day),
    ),
  }).map(({ user, at, ...fields }) => ({
    ...fields,
    user_id: userOf(user),
    timestamp: new Date(now - at).toISOString(),
  }))
);

type Step =
  | { kind: "publish"; events: Event[] }
  | { kind: "work"; workers: number }
  | { kind: "work on one lease" }
  | { kind: "replay"; user: number }
  | { kind: "erase"; user: number }
  | { kind: "merge" }
  | { kind: "lease at most"; events: number }
  | { kind: "lose a lease" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      events: fc.array(event, { minLength: 1, maxLength: 12 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("work" as const),
      workers: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "work on one lease" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replay" as const), user: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("erase" as const), user: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "merge" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("lease at most" as const),
      events: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "lose a lease" as const }) },
);

async function take(step: Step): Promise<void> {
  switch (step.kind) {
    case "publish":
      await publishUnchecked(
        database,
        step.events.filter(({ app_source }) => app_source !== "flywheel"),
      );
      await tell(base.admin, step.events.filter(({ app_source }) => app_source === "flywheel"));
      return;
    case "work":
      await Promise.all(Array.from({ length: step.workers }, () => drain(database, [nudges])));
      // A worker that leaves while another looks may hide work from it, and rings for the next: this is the next.
      await drain(database, [nudges]);
      return;
    case "work on one lease": {
      const leased = await lease(database, shape);
      if (leased) await work(database, [nudges], shape, leased);
      return;
    }
    case "replay":
      await database`select flywheel.reprocess(${userOf(step.user)})`;
      return;
    case "erase":
      await database`select flywheel.erase_user(${userOf(step.user)}, 'asked for')`;
      return;
    case "merge":
      await database`select flywheel.merge_rollups()`;
      return;
    case "lease at most":
      await base.admin`update flywheel.settings set lease_events = ${step.events}`;
      return;
    case "lose a lease":
      // Whoever works next finds some of the users leased by somebody who has died.
      await lease(database, "nobody's");
      await base
        .admin`update flywheel.streams set available_at = now() where lease_token is not null`;
  }
}

test(
  "the rollups equal the log after any publications, late ones, replays, erasures and lost leases",
  async () => {
    await base.admin`update flywheel.settings set lease_users = 2, lease_events = 5, linger = '0'`;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        for (const step of steps) {
          await take(step);
          expect(await wrong(database)).toEqual([]);
        }
        await take({ kind: "work", workers: 2 });
        expect(await wrong(database)).toEqual([]);
        const [counted] = await database`
        select
          (select count(*) from public.phoenix_events)::int as events,
          (select coalesce(sum(count), 0) from flywheel.current_rollups where figure = 'event')::int as counted
      `;
        expect(counted!.counted).toBe(counted!.events);
        for (const user of [0, 1, 2, 3]) await take({ kind: "erase", user });
        await mergeAll(database);
        expect(await database`select * from flywheel.rollups`, "not even a name is left").toEqual(
          [],
        );
        expect(await database`select * from flywheel.durations`).toEqual([]);
      }),
      { numRuns: 60, endOnFailure: false },
    );
  },
  300_000,
);

test("a commit that is refused for some users counts the others", async () => {
  await publishUnchecked(
    database,
    [0, 1, 2].map((user) => ({
      user_id: userOf(user),
      event_type: "cv.generated",
      app_source: "cv",
      payload: {},
    })),
  );
  const leased = await lease(database, "nudges@1");
  expect(leased!.streams.length).toBe(3);
  await base.admin`update flywheel.streams set lease_token = null where user_id = ${userOf(1)}`;
  const { committed } = await work(database, [nudges], "nudges@1", leased!);
  expect(committed.users.sort()).toEqual([userOf(0), userOf(2)]);
  expect(await wrong(database)).toEqual([]);
  const [counted] = await database`
    select sum(count)::int as events, sum(users)::int as users from flywheel.current_rollups where figure = 'event'
  `;
  expect(counted).toEqual({ events: 2, users: 2 });
});

test("what commits without having counted is counted from the log", async () => {
  await publishUnchecked(database, [{
    user_id: userOf(0),
    event_type: "cv.generated",
    app_source: "cv",
  }]);
  const leased = await lease(database, "other");
  await database`
    select flywheel.commit(
      ${leased!.token},
      'other',
      ${JSON.stringify([{ user_id: userOf(0), version: 1, failed: false }])}::text::jsonb,
      ${JSON.stringify({ [userOf(0)]: {} })}::text::json,
      '{}'
    )
  `;
  const [counted] = await database`select counted_version::int from flywheel.streams`;
  expect(counted!.counted_version).toBe(1);
  expect(await database`select * from flywheel.verify_rollups()`).toEqual([]);
});

test("the rollups equal the log at every moment while publishers, workers and mergers are at it", async () => {
  await base.admin`update flywheel.settings set lease_users = 5, lease_events = 3, linger = '0'`;
  const user = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const batches = Array.from(
    { length: 40 },
    (_, batch) =>
      Array.from({ length: 25 }, (_, index) => ({
        user_id: user((batch * 7 + index * 3) % 50),
        event_type: types[(batch + index) % types.length]!,
        app_source: ["aube", "cv", "letters"][index % 3]!,
        payload: { n: batch * 100 + index, métier: "Coach", amount_eur: 5, satisfaction: 4 },
        timestamp: new Date(now - ((batch * 31 + index * 17) % 100) * day / 10).toISOString(),
      })),
  );
  let isPublishing = true;
  const publisher = async () => {
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      await publishUnchecked(database, batch);
    }
  };
  const whilePublishing = async (act: () => Promise<unknown>) => {
    do await act(); while (isPublishing);
  };
  const moments: unknown[][] = [];
  await Promise.all([
    Promise.all([publisher(), publisher()]).then(() => isPublishing = false),
    ...[1, 2, 3].map(() => whilePublishing(() => drain(base.connect(), [nudges]))),
    whilePublishing(() => database`select flywheel.merge_rollups()`),
    whilePublishing(async () => moments.push(await wrong(database))),
  ]);
  await drain(database, [nudges]);
  moments.push(await wrong(database));
  expect(moments.flat()).toEqual([]);
  expect(moments.length).toBeGreaterThan(2);
  const [counted] = await database`
    select sum(count)::int as events from flywheel.current_rollups where figure = 'event'
  `;
  expect(counted!.events).toBeGreaterThanOrEqual(1000);
});

describe("late events", () => {
  const lateOf = (user: string, minutes: number) =>
    eventOf(user, {
      app_source: "cv",
      event_type: "cv.generated",
      timestamp: new Date(now - day + minutes * 60_000).toISOString(),
    });
  const workOnce = async () => {
    const leased = await lease(database, shape);
    if (leased) await work(database, [nudges], shape, leased);
    expect(await wrong(database)).toEqual([]);
    const [row] = await base.admin<{ counted: number; processed: number }[]>`
      select counted_version::int as counted, processed_version::int as processed from flywheel.streams
    `;
    return row!;
  };

  test("of a long backlog are counted at its end", async () => {
    await base.admin`update flywheel.settings set lease_events = 10`;
    const user = crypto.randomUUID();
    await publish(database, lateOf(user, 1000));
    await workOnce();
    await publish(database, Array.from({ length: 35 }, (_, minutes) => lateOf(user, minutes)));
    for (const processed of [11, 21, 31]) {
      expect(await workOnce()).toEqual({ counted: 1, processed });
    }
    expect(await workOnce()).toEqual({ counted: 36, processed: 36 });
  });

  test("of a backlog that takes long are counted on the way, once their time has come", async () => {
    await base.admin`update flywheel.settings set lease_events = 10`;
    const user = crypto.randomUUID();
    await publish(database, lateOf(user, 1000));
    await workOnce();
    await publish(database, Array.from({ length: 35 }, (_, minutes) => lateOf(user, minutes)));
    expect(await workOnce()).toEqual({ counted: 1, processed: 11 });
    await base.admin`update flywheel.streams set wake_at = wake_at - interval '10 seconds'`;
    expect(await workOnce()).toEqual({ counted: 21, processed: 21 });
    expect(await workOnce()).toEqual({ counted: 21, processed: 31 });
  });

  test("of a user with a long history are counted a while later, though nothing more is heard of them", async () => {
    const user = crypto.randomUUID();
    await publish(database, lateOf(user, 1000));
    await base.superuser`
      insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
      select ${user}, n, gen_random_uuid(), 'cv.generated', 'cv', '{}', now(), sha256(n::text::bytea)
      from generate_series(2, 3000) as n
    `;
    await base.admin`update flywheel.streams set version = 3000`;
    await base.admin`update flywheel.settings set lease_events = 5000, lease_bytes = 2097152`;
    expect(await workOnce()).toEqual({ counted: 3000, processed: 3000 });
    await publish(database, lateOf(user, 0));
    expect(await workOnce()).toEqual({ counted: 3000, processed: 3001 });
    await publish(database, lateOf(user, 1));
    expect(await workOnce()).toEqual({ counted: 3000, processed: 3002 });
    await base.admin`
      update flywheel.streams set available_at = available_at - interval '10 seconds', wake_at = wake_at - interval '10 seconds'
    `;
    expect(await workOnce()).toEqual({ counted: 3002, processed: 3002 });
    const [stream] = await base.admin`select available_at from flywheel.streams`;
    expect(stream!.available_at).toBeNull();
  });

  test("of several are counted in transactions of their own, where they are many together", async () => {
    const users = [0, 1, 2, 3].map(userOf);
    const many = (minutes: number) =>
      users.flatMap((user) => Array.from({ length: 120 }, () => lateOf(user, minutes)));
    await publish(database, many(1000));
    await drain(database, [nudges]);
    // As if each of them had a history that long.
    await base.superuser`
      insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
      select s.user_id, n, gen_random_uuid(), 'cv.generated', 'cv', '{}', now(), sha256(n::text::bytea)
      from flywheel.streams as s, generate_series(121, 6000) as n
    `;
    await base.admin`
      update flywheel.streams set version = 6000, processed_version = 6000, counted_version = 6000
    `;
    await base.admin`select flywheel.rebuild_rollups()`;
    await publish(database, users.map((user) => lateOf(user, 0)));
    const leased = await lease(database, shape);
    await work(database, [nudges], shape, leased!);
    const transactions = await base.admin`select distinct xmin::text from flywheel.streams`;
    expect(transactions.length).toBe(2);
  });
});

test("who is refused costs the others no counting from the log, and each is committed once", async () => {
  const users = [0, 1, 2].map(userOf);
  await publishUnchecked(
    database,
    users.map((user_id) => ({
      user_id,
      event_type: "cv.generated",
      app_source: "cv",
      payload: {},
    })),
  );
  await drain(database, [nudges]);
  await publishUnchecked(
    database,
    users.map((user_id) => ({
      user_id,
      event_type: "cv.generated",
      app_source: "cv",
      payload: { n: 1 },
    })),
  );
  const leased = await lease(database, shape);
  await database`select flywheel.erase_user(${users[1]!}, 'asked for')`;
  await base
    .admin`alter function flywheel.count_users(uuid[], bigint[], bigint[]) rename to missing`;
  const { committed, outcomes } = await work(database, [nudges], shape, leased!);
  await base
    .admin`alter function flywheel.missing(uuid[], bigint[], bigint[]) rename to count_users`;
  expect(committed.users.toSorted()).toEqual([users[0], users[2]]);
  expect(outcomes.map(({ user_id }) => user_id).toSorted()).toEqual(users);
  expect(await wrong(database)).toEqual([]);
});

test("one more duration is merged without those of the week's other users being written anew", async () => {
  const increment = (seconds: number[], forgotten: number[] = []) =>
    base.admin`
      insert into flywheel.rollup_increments (increments)
      values (${
      JSON.stringify([["step", 20_000, "", "métier_choisi", 1, 0, 0, seconds, forgotten]])
    })
    `;
  const durations = () =>
    database<{ place: string; second: number; times: number }[]>`
      select d.ctid::text as place, s.second, s.times
      from flywheel.durations as d
      cross join lateral unnest(d.seconds, d.times) as s (second, times)
      order by s.second
    `;
  // Two in each second of a day's every minute.
  await increment(Array.from({ length: 2880 }, (_, index) => Math.floor(index / 2) * 60));
  await mergeAll(database);
  const before = await durations();
  expect(before.length).toBe(1440);

  await increment([3600, 3601], [7200, 7200]);
  await using watched = await watch(base.superuserUrl);
  const plans = await watched.explained((sql) => sql`select flywheel.merge_rollups()`);
  expect(fullReads(plans, { tables: ["durations", "rollups"], rows: 10 })).toEqual([]);
  const after = await durations();
  expect(after.filter(({ times }) => times !== 2)).toMatchObject([
    { second: 3600, times: 3 },
    { second: 3601, times: 1 },
  ]);
  expect(after.some(({ second }) => second === 7200)).toBe(false);
  const places = new Set(before.map(({ place }) => place));
  expect(after.filter(({ place }) => !places.has(place)).length).toBeLessThan(100);
});

test.each([[1, 0, 0], [0, 1, 0], [0, 0, 1]])(
  "a figure is forgotten once all its numbers come to nothing, not while %i, %i and %i are left",
  async (...left) => {
    const add = async (...numbers: number[]) => {
      const increments = JSON.stringify([["revenue", 20_000, "", "key", ...numbers]]);
      await base.admin`insert into flywheel.rollup_increments (increments) values (${increments})`;
      await mergeAll(database);
      const rows = await database`
        select count::int, users::int, total::int from flywheel.rollups where key = 'key'
      `;
      return rows.map(({ count, users, total }) => [count, users, total]);
    };
    await add(1, 1, 1);
    expect(await add(...left.map((number) => number - 1))).toEqual([left]);
    expect(await add(...left.map((number) => -number))).toEqual([]);
  },
);

test("durations that go before they are merged leave nothing to be merged", async () => {
  await publishUnchecked(
    database,
    ["exploration_commencée", "valeurs_explorées"].map((event_type, place) =>
      eventOf(userOf(0), {
        event_type,
        timestamp: new Date(now - day + place * 60_000).toISOString(),
      })
    ),
  );
  await take({ kind: "work on one lease" });
  await take({ kind: "erase", user: 0 });
  await mergeAll(database);
  expect(await database`select * from flywheel.durations`).toEqual([]);
});

test("a worker that is never idle merges more than its commits leave behind", async () => {
  await base.admin`update flywheel.settings set lease_users = 1, work_budget = '50 seconds'`;
  await base
    .admin`insert into flywheel.rollup_increments (increments) select '[]' from generate_series(1, 300)`;
  await publish(database, Array.from({ length: 10 }, () => eventOf(crypto.randomUUID())));
  using clock = workerClock();
  const slow: Reactor = {
    name: "slow",
    version: 1,
    initial: {},
    react(state) {
      clock.advance(20_000);
      return { state };
    },
  };
  expect((await oneWorker(database, [slow])).processed).toBeLessThan(10);
  const [left] = await database`select count(*)::int as commits from flywheel.rollup_increments`;
  expect(left!.commits).toBeLessThan(10);
});
