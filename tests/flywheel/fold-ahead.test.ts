import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, publish, storyOf } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());
beforeEach(() => base.admin`update flywheel.settings set linger = '0'`);

interface Heard {
  readonly heard: readonly [version: number, type: string, received_at: number][];
}

/** Tells of everything that an app publishes, once for each `tell` of its payload, and remembers what it heard, of itself too. */
const teller: Reactor<Heard> = {
  name: "teller",
  version: 1,
  initial: { heard: [] },
  react({ heard }, { version, event_type, app_source, payload, received_at }) {
    const { tell = 1, about } = payload as { tell?: number; about?: string };
    const told = app_source === "flywheel" ? 0 : tell;
    return {
      state: { heard: [...heard, [version, event_type, received_at]] },
      effects: Array.from({ length: told }, (_, index) => ({
        kind: "event",
        event_type: "test.told",
        app_source: "flywheel",
        payload: { of: version, ...(about !== undefined && { nudge_id: about }) },
        subject: `${version}.${index}`,
      })),
    };
  },
};

const reactors = [teller];
const shape = shapeOfWork(reactors);

function leaseAll() {
  return lease(database, shape).then((leased) => leased!);
}

function workOn(leased: Awaited<ReturnType<typeof leaseAll>>) {
  return work(database, reactors, shape, leased);
}

async function typesOf(user: string): Promise<string[]> {
  const rows = await base.admin<{ type: string }[]>`
    select event_type as type from public.phoenix_events where user_id = ${user} order by version
  `;
  return rows.map(({ type }) => type);
}

/** The log in order, as the teller has to have heard it. */
async function loggedOf(user: string): Promise<Heard["heard"]> {
  const rows = await base.admin<{ version: number; event_type: string; received_at: number }[]>`
    select version::int, event_type, floor(extract(epoch from received_at) * 1000)::float8 as received_at
    from public.phoenix_events where user_id = ${user} order by version
  `;
  return rows.map(({ version, event_type, received_at }) => [version, event_type, received_at]);
}

async function heardBy(user: string): Promise<Heard["heard"]> {
  const { state } = await storyOf(base.admin, user);
  return (state.teller as Heard).heard;
}

test("what a fold tells is folded by the same commit, and nothing is due afterwards", async () => {
  const user = crypto.randomUUID();
  await publish(database, [
    event(user, { payload: { tell: 2 } }),
    event(user, { payload: { n: 1 } }),
  ]);
  const { committed } = await workOn(await leaseAll());
  expect(committed.users).toEqual([user]);
  expect(await typesOf(user)).toEqual([
    "test.happened",
    "test.happened",
    "test.told",
    "test.told",
    "test.told",
  ]);
  expect(await storyOf(base.admin, user)).toMatchObject({ version: 5, processed: 5, attempts: 0 });
  expect(await heardBy(user)).toEqual(await loggedOf(user));
  expect(await lease(database, shape)).toBeUndefined();
  expect(await base.admin`select * from flywheel.verify_rollups()`).toEqual([]);
});

test("a replay hears the same and tells nothing twice", async () => {
  const user = crypto.randomUUID();
  await publish(database, [
    event(user, { payload: { tell: 3 } }),
    event(user, { payload: { n: 2 } }),
  ]);
  await drain(database, reactors);
  const before = { story: await storyOf(base.admin, user), log: await loggedOf(user) };
  expect(before.log).toHaveLength(6);
  await database`select flywheel.reprocess(${user})`;
  await drain(database, reactors);
  expect({ story: await storyOf(base.admin, user), log: await loggedOf(user) }).toEqual(before);
});

test("an event that is published before the commit comes first, and its user is folded anew", async () => {
  const user = crypto.randomUUID();
  const other = crypto.randomUUID();
  await publish(database, [event(user), event(other)]);
  const leased = await leaseAll();
  await publish(database, event(user, { event_type: "test.meanwhile" }));
  const { committed } = await workOn(leased);
  expect(committed.overtaken).toBe(1);
  expect(committed.users).toEqual([other]);
  expect(await typesOf(user), "nothing is half done").toEqual(["test.happened", "test.meanwhile"]);
  expect(await storyOf(base.admin, user)).toMatchObject({ processed: 0, state: {} });

  await drain(database, reactors);
  const told = ["test.told", "test.told"];
  expect(await typesOf(user)).toEqual(["test.happened", "test.meanwhile", ...told]);
  expect(await heardBy(user)).toEqual(await loggedOf(user));
  const times = (await loggedOf(user)).map(([, , received_at]) => received_at);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(await base.admin`select * from flywheel.verify_rollups()`).toEqual([]);
});

test("an event that is not appended after all is not folded ahead either", async () => {
  const user = crypto.randomUUID();
  const other = crypto.randomUUID();
  // It would tell of a nudge that was never written.
  await publish(database, [
    event(user, { payload: { about: crypto.randomUUID() } }),
    event(other, { payload: { n: 3 } }),
  ]);
  await drain(database, reactors);
  expect(await typesOf(user)).toEqual(["test.happened"]);
  expect(await heardBy(user)).toEqual(await loggedOf(user));
  expect(await storyOf(base.admin, user)).toMatchObject({ version: 1, processed: 1, attempts: 0 });
  expect(await typesOf(other)).toEqual(["test.happened", "test.told"]);
  const [dead] = await base.admin`
    select count(*)::int from public.phoenix_events where ai_processing_error is not null
  `;
  expect(dead!.count).toBe(0);
});

test("publishers and workers at once: each user hears the log as it stands, in order", async () => {
  await base.admin`update flywheel.settings set lease_users = 3, lease_events = 4`;
  const users = Array.from({ length: 6 }, () => crypto.randomUUID());
  let isPublishing = true;
  const publisher = async (own: number) => {
    for (let round = 0; round < 40; round++) {
      const of = users.filter((_, index) => index % 2 === own);
      await publish(
        database,
        of.map((user) => event(user, { payload: { n: `${own}.${round}`, tell: round % 3 } })),
      );
    }
  };
  const worker = async () => {
    const own = base.connect();
    do await drain(own, reactors); while (isPublishing);
  };
  await Promise.all([
    Promise.all([publisher(0), publisher(1)]).then(() => isPublishing = false),
    worker(),
    worker(),
    worker(),
  ]);
  await drain(database, reactors);
  for (const user of users) {
    const logged = await loggedOf(user);
    expect(await heardBy(user)).toEqual(logged);
    expect(logged.filter(([, type]) => type === "test.told")).toHaveLength(13 * 3);
    expect(logged.map(([version]) => version)).toEqual(logged.map((_, index) => index + 1));
  }
  expect(await base.admin`select * from flywheel.verify_rollups()`).toEqual([]);
});

test("a reactor that fails at what it told itself has its attempts, as at any event", async () => {
  const failing: Reactor<Heard> = {
    ...teller,
    react(...told) {
      if (told[1].app_source === "flywheel") throw new Error("it hurt");
      return teller.react(...told);
    },
  };
  const user = crypto.randomUUID();
  await publish(database, event(user));
  await drain(database, [failing]);
  expect(await storyOf(base.admin, user)).toMatchObject({ version: 2, processed: 1, attempts: 1 });
});
