import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { reactors as everyReactor } from "../../shared/domain/reactors/all.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import { requestTransition, transitionRequest } from "../../shared/flywheel/transitions.ts";
import { shapeOfWork } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { type DatabaseClock, databaseClock } from "../support/database-clock.ts";
import { alarm, drain, event, oneWorker, publish, storyOf } from "../support/flywheel.ts";
import { workerClock } from "../support/worker-clock.ts";

let base: TestDatabase;
let clock: DatabaseClock;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  clock = await databaseClock(base);
  database = base.connect();
});
beforeEach(async () => {
  await base
    .admin`update flywheel.settings set linger = '0', lease_users = 100, ring_interval = '0'`;
  await drain(database, reactors);
});
afterAll(() => base[Symbol.asyncDispose]());

const reactors = [alarm as Reactor];
const shape = shapeOfWork(reactors);
const minute = 60_000;
const newId = () => crypto.randomUUID();

const set = (user: string, delay: number) => publish(database, event(user, { payload: { delay } }));

/** While the database's clock is ahead, and then it is set right. */
async function ahead<T>(time: string, act: () => Promise<T>): Promise<T> {
  await clock.set(time);
  try {
    return await act();
  } finally {
    await clock.set("0");
  }
}

async function streamOf(user: string) {
  const [row] = await base.admin<
    { version: number; processed: number; counted: number; minutes: number | null }[]
  >`
    select
      version::int, processed_version::int as processed, counted_version::int as counted,
      round(extract(epoch from available_at - now()) / 60)::int as minutes
    from flywheel.streams where user_id = ${user}
  `;
  return row!;
}

describe("Once a clock that was ahead is set right,", () => {
  test("the next sweep finds a backlog that waits for that time to come again", async () => {
    const user = newId();
    await ahead("1 hour", () => publish(database, event(user)));
    // Whose ring does not hide what the one before it noted.
    await publish(database, event(newId()));
    expect(await drain(database, reactors)).toMatchObject({ processed: 2 });
    const [bell] = await base.admin`
      select latest_at <= clock_timestamp() as is_right from flywheel.doorbell
    `;
    expect(bell).toEqual({ is_right: true });
  });

  test("so does a worker who always has something to do", async () => {
    const user = newId();
    await base.admin`update flywheel.settings set lease_users = 1`;
    await ahead("1 hour", () => publish(database, event(user)));
    await publish(database, event(newId()));
    using time = workerClock();
    let folded = 0;
    const slow: Reactor = {
      name: "slow",
      version: 1,
      initial: {},
      react(state) {
        folded++;
        time.advance(60 * minute);
        return { state };
      },
    };
    await oneWorker(database, [slow]);
    expect(folded).toBe(1);
    expect(await streamOf(user)).toMatchObject({ processed: 0, minutes: 0 });
  });

  test("a lease or a wait of then lasts no longer than one of now may, and counts as backlog", async () => {
    const [leased, failed] = [newId(), newId()];
    await publish(database, [event(leased), event(failed)]);
    await ahead("1 hour", async () => {
      const { token } = (await lease(database, shape))!;
      const results = JSON.stringify([{ user_id: failed, version: 0, failed: true }]);
      await base.admin`select flywheel.commit(${token}, '', ${results}::text::jsonb, '{}', '{}')`;
      // Nobody publishes: it is noted by pruning.
      await base.admin`update flywheel.pruning set pruned_at = '-infinity'`;
      await database`select flywheel.tend()`;
    });
    expect(await queueStatus(database)).toMatchObject({ pending_users: 0 });
    expect(await drain(database, reactors)).toMatchObject({ processed: 0 });
    expect(await queueStatus(database)).toMatchObject({ pending_users: 2 });
    expect([await streamOf(leased), await streamOf(failed)])
      .toMatchObject([{ minutes: 10 }, { minutes: 10 }]);
    const [pruning] = await base.admin`
      select pruned_at <= clock_timestamp() as is_right from flywheel.pruning
    `;
    expect(pruning).toEqual({ is_right: true });
  });

  test("timers stay as they are, as do leases of now", async () => {
    const [timer, soon, leased] = [newId(), newId(), newId()];
    await set(timer, 60 * minute);
    await set(soon, minute);
    await drain(database, reactors);
    await publish(database, event(leased));
    await lease(database, shape);
    await ahead("2 hours", () => database`select flywheel.ring()`);
    await drain(database, reactors);
    expect([await streamOf(timer), await streamOf(soon), await streamOf(leased)])
      .toMatchObject([{ minutes: 60 }, { minutes: 1 }, { minutes: 1, processed: 0 }]);
  });

  describe("late events of a long history", () => {
    const late = (user: string, minutes: number) =>
      publish(database, event(user, { timestamp: `2025-01-01T00:${minutes}:00Z` }));

    /** A user whose late event was folded, and is to be counted, by a clock a day ahead. */
    async function folded(): Promise<string> {
      const user = newId();
      await late(user, 30);
      await base.superuser`
        insert into public.phoenix_events (user_id, version, event_id, event_type, app_source, payload, "timestamp", event_hash)
        select ${user}, n, gen_random_uuid(), 'cv.generated', 'cv', '{}', now(), sha256(n::text::bytea)
        from generate_series(2, 2100) as n
      `;
      await base.admin`update flywheel.streams set version = 2100 where user_id = ${user}`;
      await drain(database, reactors);
      await ahead("1 day", async () => {
        await late(user, 20);
        await drain(database, reactors);
      });
      expect(await streamOf(user)).toMatchObject({
        processed: 2101,
        counted: 2100,
        minutes: 24 * 60,
      });
      return user;
    }

    test("are counted, though nothing more is heard of their user", async () => {
      const user = await folded();
      await drain(database, reactors);
      expect(await streamOf(user)).toMatchObject({ counted: 2101, minutes: null });
    });

    test("are counted a while after their user goes on", async () => {
      const user = await folded();
      await late(user, 10);
      await drain(database, reactors);
      expect(await streamOf(user)).toMatchObject({ processed: 2102, counted: 2100, minutes: 0 });
    });
  });

  test("a worker gives up on it while somebody holds a stream, and comes back", async () => {
    const user = newId();
    await ahead("1 hour", () => publish(database, event(user)));
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${user} for no key update`;
      expect(await drain(database, reactors)).toMatchObject({ processed: 0 });
    });
    expect(await drain(database, reactors)).toMatchObject({ processed: 1 });
  });
});

describe("Though the clock is set back by less than the tolerance, a user's events", () => {
  /** When a user's events were received, in order, milliseconds after the first. */
  async function receivedOf(user: string): Promise<number[]> {
    const rows = await base.admin<{ at: number }[]>`
      select floor(extract(epoch from received_at) * 1000)::float8 as at
      from public.phoenix_events where user_id = ${user} order by version
    `;
    return rows.map(({ at }) => at - rows[0]!.at);
  }

  let last = Date.now();
  const timed = (user: string) =>
    event(user, { timestamp: new Date(last += 1).toISOString(), payload: { last } });
  const untimed = (user: string) => event(user, { payload: { last: last += 1 } });

  test.each<[string, (user: string, other: string) => Parameters<typeof publish>[1]]>([
    ["one, in order", (user) => timed(user)],
    ["several, in order", (user) => [timed(user), timed(user)]],
    ["several users' in order", (user, other) => [timed(user), timed(other), timed(user)]],
    ["one", (user) => untimed(user)],
    ["several", (user) => [untimed(user), untimed(user)]],
    ["several users'", (user, other) => [untimed(other), untimed(user), untimed(user)]],
  ])("are received later than those before: %s", async (_, next) => {
    const [user, other] = [newId(), newId()];
    const publishing = () => publish(database, next(user, other));
    await ahead("4 minutes", publishing);
    const count = (await receivedOf(user)).length;
    await ahead("1 minute", publishing);
    await publishing();
    const received = await receivedOf(user);
    expect(received).toHaveLength(3 * count);
    expect(received).toEqual([0, 1, 2].flatMap((after) => Array(count).fill(after)));
  });

  test("are the same within the window of the clock as it is, one or several, and have not waited for less than no time", async () => {
    const user = newId();
    await base.admin`update flywheel.settings set dedup_window = '1 minute'`;
    await ahead("4 minutes", () => publish(database, untimed(user)));
    const again = untimed(user);
    const told = [
      await publish(database, again),
      await publish(database, [again, untimed(user)]),
      await publish(database, again),
    ];
    expect(told.map(({ results }) => results[0]!.status))
      .toEqual(["accepted", "duplicate", "duplicate"]);
    expect((await queueStatus(database)).oldest_pending_seconds).toBeGreaterThanOrEqual(0);
    await base.admin`update flywheel.settings set dedup_window = default`;
  });

  test("are received by the clock again where it was set back by more", async () => {
    const user = newId();
    await ahead("6 minutes", () => publish(database, untimed(user)));
    await publish(database, untimed(user));
    expect((await receivedOf(user))[1]).toBeLessThan(-5 * minute);
  });

  test("and timers come in the order of a replay", async () => {
    const user = newId();
    await set(user, minute);
    await ahead("4 minutes", () => drain(database, reactors));
    await set(user, 10 * minute);
    await drain(database, reactors);
    const lived = await storyOf(base.admin, user);
    expect(lived.causes).toHaveLength(1);
    await database`select flywheel.reprocess(${user})`;
    await drain(database, reactors);
    expect(await storyOf(base.admin, user)).toEqual(lived);
  });

  test("and what is told of them come in the order of a replay", async () => {
    const user = newId();
    const teller: Reactor<{ heard: readonly unknown[] }> = {
      name: "teller",
      version: 1,
      initial: { heard: [] },
      react: ({ heard }, { version, app_source, received_at }) => ({
        state: { heard: [...heard, [version, received_at]] },
        effects: app_source === "flywheel" ? [] : [{
          kind: "event",
          event_type: "test.told",
          app_source: "flywheel",
          payload: {},
          subject: `${version}`,
        }],
      }),
    };
    await ahead("4 minutes", () => publish(database, untimed(user)));
    await drain(database, [teller as Reactor]);
    const received = await receivedOf(user);
    expect(received).toHaveLength(2);
    expect(received[1]).toBeGreaterThan(0);
    await publish(database, untimed(user));
    await drain(database, [teller as Reactor]);
    expect(await receivedOf(user)).toEqual((await receivedOf(user)).toSorted((a, b) => a - b));
    const lived = await storyOf(base.admin, user);
    await database`select flywheel.reprocess(${user})`;
    await drain(database, [teller as Reactor]);
    expect(await storyOf(base.admin, user)).toEqual(lived);
  });

  test.each(["chosen", "asked for"])(
    "hand over the job that was chosen last, where the one before was %s",
    async (how) => {
      const user = newId();
      const choose = (métier: string) =>
        publish(
          database,
          event(user, { event_type: "métier_choisi", app_source: "aube", payload: { métier } }),
        );
      await ahead("3 seconds", async () => {
        if (how === "chosen") {
          return await choose("Coach").then(() => drain(database, everyReactor));
        }
        const asked = { target_app: "cv", context: { métier_choisi: "Coach" } };
        await requestTransition(database, user, transitionRequest.parse(asked));
      });
      await choose("Data Scientist");
      await drain(database, everyReactor);
      const rows = await base.admin`
        select context ->> 'métier_choisi' as job, status from public.phoenix_transitions
        where user_id = ${user} and target_app = 'cv' order by job
      `;
      expect(rows).toEqual([
        { job: "Coach", status: "expired" },
        { job: "Data Scientist", status: "requested" },
      ]);
    },
  );
});
