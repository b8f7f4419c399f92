import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import {
  counting,
  drain,
  type Event,
  event,
  oneWorker,
  pass,
  publish,
  storyOf,
} from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";
import { startWorker } from "../support/worker.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

beforeEach(async () => {
  await base.admin`
    update flywheel.settings
    set linger = '0', lease_time = '60 seconds', max_workers = 64, max_attempts = 5, lease_users = 100, lease_events = 100
  `;
  await base.admin`update flywheel.worker_slots set expires_at = '-infinity'`;
  // What the test before left leased is due, and folded here.
  await base.admin`
    update flywheel.streams set lease_token = null, attempts = 0, available_at = now() where available_at is not null
  `;
  await drain(database, [counting]);
});

const shape = shapeOfWork([counting]);
const reactors = [counting];

async function userWithEvents(count: number): Promise<string> {
  const user = crypto.randomUUID();
  await publish(database, Array.from({ length: count }, (_, n) => event(user, { payload: { n } })));
  return user;
}

/** Expects each of a user's events to have been folded exactly once. */
function expectFoldedOnce(story: Awaited<ReturnType<typeof storyOf>>, count: number): void {
  const versions = Array.from({ length: count }, (_, index) => index + 1);
  expect(story).toMatchObject({
    version: count,
    processed: count,
    state: { counting: { count, versions } },
  });
  expect(story.causes.toSorted()).toEqual(story.events.map(({ event_id }) => event_id).toSorted());
}

describe("a worker that is killed between lease and commit", () => {
  test("costs the lease time and nothing else", async () => {
    const user = await userWithEvents(5);
    await using worker = await startWorker(base.url, "stalls");
    await worker.said("folding");
    await worker.kill();

    await drain(database, reactors);
    expect(await storyOf(base.admin, user), "leased still").toMatchObject({ processed: 0 });

    await pass(base.admin, "60 seconds");
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 5);
  });

  test("does not keep its slot longer than twice the time that it may work", async () => {
    await base.admin`update flywheel.settings set max_workers = 1`;
    const user = await userWithEvents(1);
    await using worker = await startWorker(base.url, "stalls");
    await worker.said("folding");
    await worker.kill();
    await pass(base.admin, "60 seconds");

    await drain(database, reactors);
    expect(await storyOf(base.admin, user), "no slot is free").toMatchObject({ processed: 0 });
    await base
      .admin`update flywheel.worker_slots set expires_at = expires_at - interval '10 seconds'`;
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 1);
  });

  test("does not keep its slot longer than that where it is lowered", async () => {
    await base.admin`update flywheel.settings set max_workers = 1, work_budget = '50 seconds'`;
    await base.admin`select flywheel.enter()`;
    await base.admin`update flywheel.settings set work_budget = '5 seconds'`;
    const user = await userWithEvents(1);
    await drain(database, reactors);
    expect(await storyOf(base.admin, user), "no slot is free").toMatchObject({ processed: 0 });
    await base
      .admin`update flywheel.worker_slots set expires_at = expires_at - interval '10 seconds'`;
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 1);
  });

  test("harms no other user, however often one user's event kills", async () => {
    await base.admin`update flywheel.settings set lease_users = 20`;
    const innocent = await Promise.all(Array.from({ length: 10 }, () => userWithEvents(3)));
    const killer = crypto.randomUUID();
    await publish(database, [
      event(killer, { payload: { n: 1 } }),
      event(killer, { payload: { n: 2, kill: true } }),
      event(killer, { payload: { n: 3 } }),
    ]);
    let deaths = 0;
    for (let run = 0; run < 30; run++) {
      await using worker = await startWorker(base.url, "dies");
      if (await worker.ended === 0) break;
      deaths++;
      await pass(base.admin, "60 seconds");
      await base.admin`update flywheel.worker_slots set expires_at = '-infinity'`;
    }
    for (const user of innocent) expectFoldedOnce(await storyOf(base.admin, user), 3);
    const story = await storyOf(base.admin, killer);
    expect(story).toMatchObject({
      processed: 3,
      state: { counting: { count: 2, versions: [1, 3] } },
      events: [
        { ai_processing_error: null },
        { ai_processing_error: "no worker survived folding it" },
        { ai_processing_error: null },
      ],
    });
    // Those until the event is leased alone, and then its attempts.
    expect(deaths).toBeLessThanOrEqual(12);
  });
});

describe("a late commit", () => {
  test("is refused whole once somebody else has the lease", async () => {
    const user = await userWithEvents(4);
    const late = (await lease(database, shape))!;
    await pass(base.admin, "60 seconds");
    const taken = (await lease(database, shape))!;
    const { committed } = await work(database, reactors, shape, late);
    expect(committed).toMatchObject({ users: [], nudges: 0 });
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 0, state: {}, causes: [] });

    await work(database, reactors, shape, taken);
    await pass(base.admin, "60 seconds");
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 4);
    const again = await work(database, reactors, shape, late);
    expect(again.committed.users).toEqual([]);
    expectFoldedOnce(await storyOf(base.admin, user), 4);
  });

  test("is refused for the users that were lost, and taken for those that were not", async () => {
    const [lost, kept] = [await userWithEvents(2), await userWithEvents(2)];
    const late = (await lease(database, shape))!;
    await base.admin`
      update flywheel.streams set available_at = now() - interval '1 second' where user_id = ${lost}
    `;
    await drain(database, reactors);
    const { committed } = await work(database, reactors, shape, late);
    expect(committed.users).toEqual([kept]);
    expectFoldedOnce(await storyOf(base.admin, lost), 2);
    expectFoldedOnce(await storyOf(base.admin, kept), 2);
  });

  test("that fails puts off nobody whom another worker has leased since", async () => {
    const user = await userWithEvents(1);
    const late = (await lease(database, shape))!;
    await pass(base.admin, "60 seconds");
    await lease(database, shape);
    const taken = () =>
      base.admin`select attempts, available_at from flywheel.streams where user_id = ${user}`;
    const before = await taken();
    await database`select flywheel.postpone(${late.token}, ${late.users})`;
    expect(await taken()).toEqual(before);
  });

  test("is refused after a replay was asked for meanwhile", async () => {
    const user = await userWithEvents(3);
    const late = (await lease(database, shape))!;
    await database`select flywheel.reprocess(${user})`;
    const { committed } = await work(database, reactors, shape, late);
    expect(committed.users).toEqual([]);
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 3);
  });
});

describe("a long fold", () => {
  test("extends its lease, so that nobody else takes its users", async () => {
    const users = await Promise.all(Array.from({ length: 15 }, () => userWithEvents(3)));
    // 45 seconds for each user: eleven lease times in one lease.
    const seconds = 15;
    using clock = workerClock();
    const slow: Reactor = {
      ...counting as Reactor,
      react(...told) {
        clock.advance(seconds * 1000);
        return (counting as Reactor).react(...told);
      },
    };
    const rival = base.connect();
    let rounds = 0;
    let others = 0;
    /** Has a user's time pass for the database as well, just before the worker says that it goes on. */
    async function compete(): Promise<void> {
      rounds++;
      await pass(base.admin, `${3 * seconds} seconds`);
      others += (await drain(rival, reactors)).users;
      others += (await lease(rival, shape))?.streams.length ?? 0;
    }
    const worker = new Proxy(base.connect(), {
      apply(target, _, args) {
        const query = () => Reflect.apply(target, undefined, args);
        return String(args[0]?.raw).includes("flywheel.extend(") ? compete().then(query) : query();
      },
    });
    const { users: folded, processed } = await drain(worker, [slow]);
    expect({ folded, processed, rounds, others })
      .toEqual({ folded: 15, processed: 45, rounds: 14, others: 0 });
    for (const user of users) expectFoldedOnce(await storyOf(base.admin, user), 3);
  });

  test("is told which users its lease no longer holds", async () => {
    const [lost, kept] = [await userWithEvents(1), await userWithEvents(1)];
    const { token } = (await lease(database, shape))!;
    await base.admin`update flywheel.streams set available_at = now() where user_id = ${lost}`;
    await lease(database, shape);
    await pass(base.admin, "30 seconds");
    const [row] = await database`select flywheel.extend(${token}, ${[lost, kept]}) as held`;
    expect(row!.held).toEqual([kept]);
    const [left] = await base.admin<{ kept: boolean; lost: boolean }[]>`
      select
        bool_or(available_at > clock_timestamp() + interval '50 seconds') filter (where user_id = ${kept}) as kept,
        bool_or(available_at > clock_timestamp() + interval '50 seconds') filter (where user_id = ${lost}) as lost
      from flywheel.streams
    `;
    expect(left).toEqual({ kept: true, lost: false });
  });
});

describe("leases", () => {
  test("of workers at the same moment never share a user", async () => {
    await base.admin`update flywheel.settings set lease_users = 7`;
    const users = await Promise.all(Array.from({ length: 60 }, () => userWithEvents(1)));
    const leases = await Promise.all(
      Array.from({ length: 12 }, () => lease(base.connect(), shape)),
    );
    const leased = leases.flatMap((each) => each?.users ?? []);
    expect(new Set(leased).size).toBe(leased.length);
    expect(new Set(leased)).toEqual(new Set(users));
    await pass(base.admin, "60 seconds");
  });

  const at = (minute: number) => `2026-03-01T10:0${minute}:00.000Z`;

  test.each<[string, (user: string, n: number) => Event[]]>([
    ["an event", (user, n) => [event(user, { payload: { n } })]],
    ["several", (user, n) => [1, 2].map((m) => event(user, { payload: { n, m } }))],
    ["one in order of time", (user, n) => [event(user, { timestamp: at(n) })]],
    [
      "several users' in order of time",
      (user, n) => [user, crypto.randomUUID()].map((each) => event(each, { timestamp: at(n) })),
    ],
  ])(
    "stay as they are, and the backlog as old as it was, when more is published: %s",
    async (_, more) => {
      const user = crypto.randomUUID();
      await publish(database, more(user, 1));
      await lease(database, shape);
      const due = async () => {
        const [stream] = await base.admin`
        select available_at, pending_since from flywheel.streams where user_id = ${user}
      `;
        return stream;
      };
      const before = await due();
      await new Promise((resolve) => setTimeout(resolve, 5));
      await publish(database, more(user, 2));
      expect(await due()).toEqual(before);
    },
  );

  test("stay while events are published: these come with the next one, in order", async () => {
    const user = await userWithEvents(2);
    const first = (await lease(database, shape))!;
    await publish(database, event(user, { payload: { n: "later" } }));
    expect(await lease(database, shape)).toBeUndefined();
    await work(database, reactors, shape, first);
    await drain(database, reactors);
    expectFoldedOnce(await storyOf(base.admin, user), 3);
  });

  test("of part of a backlog leave the rest as old as the event that comes next", async () => {
    await base.admin`update flywheel.settings set lease_events = 1`;
    const user = await userWithEvents(1);
    await publish(database, event(user, { payload: { n: "later" } }));
    await work(database, reactors, shape, (await lease(database, shape))!);
    const [left] = await base.admin`
      select s.processed_version::int as processed, s.pending_since = e.received_at as is_as_old
      from flywheel.streams as s
      join public.phoenix_events as e on e.user_id = s.user_id and e.version = 2
      where s.user_id = ${user}
    `;
    expect(left).toEqual({ processed: 1, is_as_old: true });
  });

  test("are not given to more workers than the settings allow", async () => {
    await base.admin`update flywheel.settings set max_workers = 2`;
    const slots = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const [row] = await base.connect()`select flywheel.enter() as slot`;
        return row!.slot;
      }),
    );
    expect(slots.filter(Boolean)).toHaveLength(2);
    for (const slot of slots.filter(Boolean)) {
      await database`select flywheel.leave(${slot.token}, 0)`;
    }
  });
});

test("workers that enter at once, before there are any slots, all have one", async () => {
  await base.admin`update flywheel.settings set max_workers = 4`;
  const workers = Array.from({ length: 4 }, () => base.connect());
  for (let round = 0; round < 5; round++) {
    await base.admin`delete from flywheel.worker_slots`;
    const slots = await Promise.all(workers.map(async (worker) => {
      const [row] = await worker`select flywheel.enter() as slot`;
      return row!.slot;
    }));
    expect(slots).not.toContain(null);
  }
  await base.admin`delete from flywheel.worker_slots`;
});

test("a worker's time begins when it has entered, however long it waited for a connection", async () => {
  const user = await userWithEvents(1);
  using clock = workerClock();
  const worker = new Proxy(base.connect(), {
    apply(target, _, args) {
      if (String(args[0]?.raw).includes("flywheel.enter(")) clock.advance(60_000);
      return Reflect.apply(target, undefined, args);
    },
  });
  expect((await oneWorker(worker, reactors)).processed).toBe(1);
  expectFoldedOnce(await storyOf(base.admin, user), 1);
});

test("a worker hands on once it has handled as many events as it may, and ends what it has leased", async () => {
  await base.admin`update flywheel.settings set work_events = 4, lease_users = 1`;
  const users = await Promise.all(Array.from({ length: 5 }, () => userWithEvents(2)));
  const handled: number[] = [];
  while (handled.at(-1) !== 0) handled.push((await oneWorker(database, reactors)).processed);
  // The third lease has begun while the second is committed.
  expect(handled).toEqual([6, 4, 0]);
  for (const user of users) expectFoldedOnce(await storyOf(base.admin, user), 2);
});

test("a worker's slot counts the events handled in it, and is free again when the database fails the worker", async () => {
  await base.admin`update flywheel.worker_slots set processed_total = 0`;
  for (const count of [2, 3]) {
    await userWithEvents(count);
    await drain(database, reactors);
  }
  const [done] = await base.admin`
    select sum(processed_total)::int as events from flywheel.worker_slots
  `;
  expect(done!.events).toBe(5);

  await base.admin`alter function flywheel.lease(text) rename to lease_away`;
  try {
    await expect(drain(database, reactors)).rejects.toThrow("flywheel.lease");
  } finally {
    await base.admin`alter function flywheel.lease_away(text) rename to lease`;
  }
  expect(await base.admin`select from flywheel.worker_slots where expires_at > now()`).toEqual([]);
});

test("a lease that has to wait for a lock lets go of what it holds, tries again, and takes what is due in the end", async () => {
  const user = await userWithEvents(1);
  const locked = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const holding = base.admin.begin(async (sql) => {
    await sql`lock table flywheel.streams in exclusive mode`;
    locked.resolve();
    await over.promise;
  });
  await locked.promise;
  let waits = true;
  const leasing = lease(database, shape).finally(() => waits = false);
  // Longer than a lease waits for a lock.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(waits).toBe(true);
  over.resolve();
  await holding;
  expect((await leasing)?.users).toContain(user);
});

describe("a user with a long history", () => {
  /** A user with 10,000 folded events and one that is due. */
  async function userOfLongStanding(): Promise<string> {
    const user = crypto.randomUUID();
    await base.admin`
      insert into public.phoenix_events
        (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
      select ${user}, n, gen_random_uuid(), 'test.happened', 'cv', '{}', now(), uuid_send(gen_random_uuid())
      from generate_series(1, 10001) as n
    `;
    await base.admin`
      insert into flywheel.streams (user_id, version, processed_version, counted_version, available_at, pending_since)
      values (${user}, 10001, 10000, 10000, now(), now())
    `;
    await base.admin`insert into flywheel.states values (${user}, ${shape}, '{}')`;
    return user;
  }

  test("is committed apart, and holds up nobody of the same lease", async () => {
    const [long, other] = [await userOfLongStanding(), await userWithEvents(1)];
    const leased = (await lease(database, shape))!;
    expect(leased.users.toSorted()).toEqual([long, other].toSorted());

    let working: Promise<unknown> | undefined;
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${long} for update`;
      working = work(database, reactors, shape, leased);
      await eventually(async () => (await storyOf(base.admin, other)).processed === 1);
    });
    await working;
    expect((await storyOf(base.admin, long)).processed).toBe(10_001);
  });

  test("is committed once the lease has been extended, and where that fails, what was committed before is reported all the same", async () => {
    const [long, other] = [await userOfLongStanding(), await userWithEvents(1)];
    const leased = (await lease(database, shape))!;
    const steps: string[] = [];
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${long} for update`;
      const working = work(database, reactors, shape, leased, {
        between: () => Promise.resolve(void steps.push("between")),
        folded: () => void steps.push("folded"),
        committed: ({ committed: { users } }) => void steps.push(...users),
      });
      const failing = expect(working).rejects.toMatchObject({ code: "57014" });
      await base.superuser`select pg_cancel_backend(${await lockWait(base, "commit")})`;
      await failing;
    });
    expect(steps).toEqual(["between", "between", "folded", other, "between"]);
    expect((await storyOf(base.admin, long)).processed).toBe(10_000);
    await pass(base.admin, "60 seconds");
    await drain(database, reactors);
  });
});
