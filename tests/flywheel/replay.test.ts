import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { day } from "../../shared/domain/duration.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { queueStatus } from "../../shared/flywheel/queue.ts";
import {
  replayProgress,
  reprocess,
  type ReprocessRequest,
  reprocessRequest,
  stopReplays,
} from "../../shared/flywheel/replay.ts";
import { readMemory } from "../../shared/flywheel/user.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { counting, drain, event, publish, storyOf } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

beforeEach(async () => {
  await base.admin`
    update flywheel.settings set linger = '0', replay_users = 500, lease_users = 100, lease_events = 100, max_workers = 8
  `;
  await drain(database, [counting]);
});

const ask = (request: Partial<ReprocessRequest>) =>
  reprocess(database, reprocessRequest.parse(request));

/** The replay asked for last, and who is still to be folded. */
async function progress(from: Database = database) {
  const { pending_users, pending_events, replays } = await replayProgress(from);
  return { pending_users, pending_events, ...replays[0] };
}

/** Users with so many folded events each. */
async function folded(users: number, events: number, reactors: readonly Reactor[] = [counting]) {
  const ids = Array.from({ length: users }, () => crypto.randomUUID());
  for (let n = 0; n < events; n++) {
    await publish(database, ids.map((user) => event(user, { payload: { n } })));
  }
  await drain(database, reactors);
  return ids;
}

const storiesOf = (users: readonly string[]) =>
  Promise.all(users.map(async (user) => {
    const story = await storyOf(base.admin, user);
    return { ...story, causes: story.causes.toSorted() };
  }));

describe("a replay", () => {
  test("of one user folds that user anew, to the same state and effects, and nobody else", async () => {
    const [user, other] = await folded(2, 5) as [string, string];
    const before = await storiesOf([user, other]);
    expect(await ask({ user_id: user })).toMatchObject({ users: 1, events: 5 });
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 0, state: {} });
    expect(await storyOf(base.admin, other)).toMatchObject({ processed: 5 });
    expect(await drain(database, [counting])).toMatchObject({ users: 1, processed: 5, nudges: 0 });
    expect(await storiesOf([user, other])).toEqual(before);
  });

  test("leaves no page that shows less than before, while it lasts", async () => {
    const [user] = await folded(1, 5, reactors) as [string];
    await base.admin`update flywheel.settings set lease_events = 2`;
    await ask({ user_id: user });
    const kind = async () => (await readMemory(database, user)).kind;
    const kinds = [await kind()];
    const shape = shapeOfWork(reactors);
    for (let leased; (leased = await lease(database, shape));) {
      await work(database, reactors, shape, leased);
      kinds.push(await kind());
    }
    expect(kinds).toEqual(["stale", "stale", "stale", "fresh"]);
  });

  test("leaves no such page of a user whose late events are not counted yet, either, and counts what is to be folded of theirs", async () => {
    await base.admin`update flywheel.settings set lease_events = 2`;
    const user = crypto.randomUUID();
    const daysAgo = (days: number) =>
      event(user, { timestamp: new Date(Date.now() - days * day).toISOString() });
    const kind = async () => (await readMemory(database, user)).kind;
    const shape = shapeOfWork(reactors);
    await publish(database, daysAgo(1));
    await drain(database, reactors);
    await publish(database, [2, 3, 4, 5, 6].map(daysAgo));
    await work(database, reactors, shape, (await lease(database, shape))!);
    const [row] = await base.admin`
      select processed_version::int, counted_version::int from flywheel.streams where user_id = ${user}
    `;
    expect(row).toEqual({ processed_version: 3, counted_version: 1 });

    await ask({ user_id: user });
    expect(await progress()).toMatchObject({ pending_users: 1, pending_events: 3 });
    const kinds = [await kind()];
    for (let leased; (leased = await lease(database, shape));) {
      await work(database, reactors, shape, leased);
      kinds.push(await kind());
    }
    expect(kinds).toEqual(["stale", "stale", "fresh", "fresh"]);
    expect(await progress()).toMatchObject({ pending_users: 0, pending_events: 0 });
  });

  test("since a time is of the users with events since then, from their first event on", async () => {
    const [user, other] = await folded(2, 3) as [string, string];
    const [{ now }] = await base.admin`select clock_timestamp() as now` as [{ now: Date }];
    await publish(database, event(user, { payload: { n: "new" } }));
    await drain(database, [counting]);
    expect(await ask({ since: now.toISOString() })).toMatchObject({ users: 1, events: 4 });
    expect(await storyOf(base.admin, other)).toMatchObject({ processed: 3 });
    await drain(database, [counting]);
    expect((await storyOf(base.admin, user)).state).toMatchObject({ counting: { count: 4 } });
  });

  test("of dead letters since a time is of the users with dead letters since then", async () => {
    const [user] = await folded(1, 2) as [string];
    await base.admin`
      update public.phoenix_events
      set ai_processing_error = 'it hurt', received_at = received_at - interval '1 day'
      where user_id = ${user} and version = 1
    `;
    const asked = (hours: number) =>
      ask({ since: new Date(Date.now() - hours * 3_600_000).toISOString(), only_failed: true });
    expect(await asked(1)).toMatchObject({ users: 0 });
    expect(await asked(25)).toMatchObject({ users: 1 });
  });

  test("of a user without events is of nobody", async () => {
    expect(await ask({ user_id: crypto.randomUUID() })).toMatchObject({ users: 0, events: 0 });
  });

  test("is of any user, whatever their id", async () => {
    const user = "00000000-0000-0000-0000-000000000000";
    await publish(database, event(user));
    await drain(database, [counting]);
    expect(await ask({ user_id: user })).toEqual({ users: 1, events: 1 });
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 0 });
  });

  test("of a user who is being erased leaves no trace of them", async () => {
    const [user] = await folded(1, 1) as [string];
    let asking: ReturnType<typeof ask> | undefined;
    await base.admin.begin(async (sql) => {
      await sql`select flywheel.erase_user(${user}, 'asked for')`;
      asking = ask({ user_id: user });
      await lockWait(base, "reprocess");
    });
    expect(await asking).toEqual({ users: 0, events: 0 });
    expect(await base.admin`select from flywheel.replays where user_id = ${user}`).toEqual([]);
  });

  test("of all, while publishing goes on and several workers fold, comes to the same", async () => {
    const users = await folded(40, 6);
    await base
      .admin`update flywheel.settings set replay_users = 7, lease_users = 5, lease_events = 4`;
    await ask({});
    let published = 0;
    const publishing = (async () => {
      const own = base.connect();
      for (let n = 0; n < 30; n++) {
        const some = users.filter((_, index) => (index + n) % 3 === 0);
        await publish(own, some.map((user) => event(user, { payload: { late: n } })));
        published += some.length;
      }
    })();
    const working = Promise.all(Array.from({ length: 3 }, async () => {
      const own = base.connect();
      for (let run = 0; run < 10; run++) await drain(own, [counting]);
    }));
    await Promise.all([publishing, working]);
    await drain(database, [counting]);

    const stories = await storiesOf(users);
    expect(stories.reduce((sum, { version }) => sum + version, 0)).toBe(40 * 6 + published);
    for (const { version, processed, state, events, causes } of stories) {
      const versions = Array.from({ length: version }, (_, index) => index + 1);
      expect(processed).toBe(version);
      expect(state).toEqual({ counting: { count: version, versions } });
      expect(causes).toEqual(events.map(({ event_id }) => event_id).toSorted());
    }
    expect(await progress()).toMatchObject({
      status: "finished",
      pending_users: 0,
      pending_events: 0,
    });
  });
});

describe("a replay of many users", () => {
  test("goes piece by piece, and says how far it is", async () => {
    const users = await folded(35, 2);
    await base.admin`update flywheel.settings set replay_users = 10`;
    const all = await base.admin`select count(*)::int as users from flywheel.streams`;
    const total = all[0]!.users;
    const asked = await ask({});
    expect(asked.users).toBe(total);
    expect(await progress()).toMatchObject({
      status: "running",
      users_total: total,
      users: 10,
      pending_users: 10,
    });

    let most = 0;
    let done = false;
    const watching = (async () => {
      const own = base.connect();
      while (!done) most = Math.max(most, (await progress(own)).pending_users);
    })();
    await drain(database, [counting]);
    done = true;
    await watching;
    expect(most, "the next users are set back when these are folded").toBeLessThanOrEqual(10);
    expect(await progress()).toMatchObject({
      status: "finished",
      pending_users: 0,
      users: total,
      events: asked.events,
      events_total: asked.events,
      finished_at: expect.any(String),
    });
    for (const story of await storiesOf(users)) {
      expect(story).toMatchObject({ processed: 2, state: { counting: { count: 2 } } });
    }
  });

  test("is not said to have kept its users waiting since before it began", async () => {
    const [user] = await folded(1, 3);
    await base
      .admin`update public.phoenix_events set received_at = now() - interval '1 year' where user_id = ${user!}`;
    await base.admin`update flywheel.settings set lease_events = 1`;
    await ask({ user_id: user! });
    const leased = await lease(database, shapeOfWork([counting]));
    await work(database, [counting], shapeOfWork([counting]), leased!);
    const { pending_events, oldest_pending_seconds } = await queueStatus(database);
    expect(pending_events).toBe(2);
    expect(oldest_pending_seconds).toBeLessThan(3600);
  });

  test("is said to have kept its users waiting since it began, however many pieces they are folded in", async () => {
    const [user] = await folded(1, 3);
    await base.admin`update flywheel.settings set lease_events = 1`;
    await ask({ user_id: user! });
    const waiting = () =>
      base.admin`select pending_since from flywheel.streams where user_id = ${user!}`;
    const began = await waiting();
    const shape = shapeOfWork([counting]);
    await work(database, [counting], shape, (await lease(database, shape))!);
    expect(await waiting()).toEqual(began);
  });

  test("can be stopped: no further user is set back, and those who were are folded to the end", async () => {
    const users = await folded(20, 2);
    await base.admin`update flywheel.settings set replay_users = 5`;
    await ask({});
    expect(await stopReplays(database)).toEqual({ stopped: 1 });
    const { processed } = await drain(database, [counting]);
    const [{ events }] = await base.admin`
      select events::int from flywheel.replays order by asked_at desc limit 1
    ` as [{ events: number }];
    expect(processed).toBe(events);
    expect(await progress()).toMatchObject({ status: "stopped", users: 5, pending_users: 0 });
    for (const story of await storiesOf(users)) {
      expect(story).toMatchObject({ processed: 2, state: { counting: { count: 2 } } });
    }
    expect(await stopReplays(database)).toEqual({ stopped: 0 });
  });

  test("goes on after the worker that was at it has died", async () => {
    const users = await folded(12, 2);
    await base.admin`update flywheel.settings set replay_users = 3`;
    await ask({});
    await base.admin.begin(async (sql) => {
      await sql`select flywheel.rewind()`;
      throw new Error("died");
    }).catch(() => {});
    await drain(database, [counting]);
    expect(await progress()).toMatchObject({ status: "finished" });
    for (const story of await storiesOf(users)) expect(story).toMatchObject({ processed: 2 });
  });

  test("goes on where the last user set back is erased, and forgets their id", async () => {
    const users = (await folded(6, 1)).toSorted();
    await base.admin`update flywheel.settings set replay_users = 3`;
    await ask({});
    const lastOf = async () =>
      (await base.admin`select last_user from flywheel.replays order by asked_at desc limit 1`)[0]!
        .last_user;
    const last = await lastOf();
    await base.admin`select flywheel.erase_user(${last}, 'asked for')`;
    expect(await lastOf()).not.toBe(last);
    await drain(database, [counting]);
    for (const user of users.filter((each) => each !== last)) {
      expect(await storyOf(base.admin, user)).toMatchObject({ processed: 1 });
    }
    const { status, users: reached, users_total } = await progress();
    expect({ status, reached }).toEqual({ status: "finished", reached: users_total });
    expect(await lastOf()).toBeNull();
  });

  test("does not remember as its last user one who is erased while it waits for them", async () => {
    // Those who come first of all.
    const users = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
    await publish(database, users.map((user) => event(user)));
    await drain(database, [counting]);
    await base.admin`update flywheel.settings set replay_users = 2`;
    await base.admin`
      insert into flywheel.replays (only_failed, last_user)
      values (false, '00000000-0000-0000-0000-000000000000')
    `;
    let rewinding: Promise<unknown> | undefined;
    await base.connectOnce().begin(async (sql) => {
      await sql`select flywheel.erase_user(${users[1]!}, 'asked for')`;
      rewinding = base.admin`select flywheel.rewind()`.execute();
      await lockWait(base, "rewind");
    });
    await rewinding;
    expect(await base.admin`select last_user from flywheel.replays where last_user is not null`)
      .toEqual([{ last_user: users[0] }]);
    await drain(database, [counting]);
    expect(await progress()).toMatchObject({ status: "finished" });
    expect((await storyOf(base.admin, users[2]!)).processed).toBe(1);
  });

  test("that comes to a locked stream keeps nobody from merging rollups, and goes on later", async () => {
    const [user] = await folded(1, 1) as [string];
    const tend = async () => (await database`select flywheel.tend() as more`)[0]!.more;
    while (await tend());
    await base.admin`insert into flywheel.replays (only_failed) values (false)`;
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${user} for no key update`;
      expect(await tend()).toBe(false);
    });
    expect(await tend()).toBe(true);
    await drain(database, [counting]);
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 1 });
  });

  test("does not hold up the replay of one user, which begins at once", async () => {
    const [user] = await folded(10, 2) as [string];
    await base.admin`update flywheel.settings set replay_users = 1`;
    await ask({});
    await ask({ user_id: user });
    expect(await storyOf(base.admin, user)).toMatchObject({ processed: 0 });
    await drain(database, [counting]);
  });
});

describe("a reactor whose state has another shape now", () => {
  /** Version 2 sums the versions up and makes the same effects. */
  const summing: Reactor<{ sum: number }> = {
    name: counting.name,
    version: 2,
    initial: { sum: 0 },
    react: ({ sum }, event, ...more) => ({
      state: { sum: sum + event.version },
      effects: (counting as Reactor).react(counting.initial, event, ...more).effects ?? [],
    }),
  };

  test("folds old state anew by itself, when its user has something new", async () => {
    const [user, idle] = await folded(2, 4) as [string, string];
    await base.admin`update flywheel.settings set lease_events = 3`;
    await publish(database, event(user, { payload: { n: "new" } }));
    await drain(database, [summing]);
    const story = await storyOf(base.admin, user);
    expect(story).toMatchObject({ processed: 5, state: { counting: { sum: 15 } } });
    expect(story.causes, "no effect twice").toHaveLength(5);
    expect((await storyOf(base.admin, idle)).state).toMatchObject({ counting: { count: 4 } });
  });

  test("or when somebody asks for it, though a duplicate is published meanwhile", async () => {
    const [user] = await folded(1, 1) as [string];
    await database`select flywheel.refold(${user})`;
    await publish(database, event(user, { payload: { n: 0 } }));
    const [stream] = await base.admin`
      select available_at <= now() as is_due from flywheel.streams where user_id = ${user}
    `;
    expect(stream).toEqual({ is_due: true });
    await drain(database, [counting]);
    const [after] = await base.admin`
      select available_at, wake_at from flywheel.streams where user_id = ${user}
    `;
    expect(after).toEqual({ available_at: null, wake_at: null });
  });

  test("and the state of any other user once they are replayed", async () => {
    const [user] = await folded(1, 4) as [string];
    await ask({ user_id: user });
    await drain(database, [summing]);
    expect((await storyOf(base.admin, user)).state).toEqual({ counting: { sum: 10 } });
  });

  test("leaves out what a worker of the old version folded meanwhile, and the other way round", async () => {
    const [user] = await folded(1, 4) as [string];
    for (const [n, reactors] of [[summing], [counting], [summing]].entries()) {
      await publish(database, event(user, { payload: { round: n } }));
      await drain(database, reactors as Reactor[]);
    }
    expect((await storyOf(base.admin, user)).state).toEqual({ counting: { sum: 28 } });
  });
});
