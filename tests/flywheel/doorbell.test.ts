import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { lease } from "../../shared/flywheel/lease.ts";
import { reprocess, reprocessRequest, stopReplays } from "../../shared/flywheel/replay.ts";
import { shapeOfWork, work } from "../../shared/flywheel/work.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, event, pass, publish, storyOf } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
  // Nobody answers in this database: what was rung stays in the queue.
  await base.superuser`select vault.create_secret('http://127.0.0.1:9/', 'phoenix_doorbell_url')`;
  await base.superuser`select vault.create_secret('a secret', 'phoenix_doorbell_secret')`;
});
afterAll(() => base[Symbol.asyncDispose]());

beforeEach(async () => {
  await base.admin`
    update flywheel.settings
    set linger = '0', ring_interval = '0', lease_events = 100
  `;
  await drain(database, reactors);
  await silence();
});

async function silence(): Promise<void> {
  await base.superuser`delete from net.http_request_queue`;
}

async function rings(): Promise<number> {
  const [row] = await base.superuser`select count(*)::int as times from net.http_request_queue`;
  return row!.times;
}

/** At an event whose payload says so, tells of it or hands the user over. It remembers what it heard. */
const busy: Reactor<{ heard: readonly string[] }> = {
  name: "busy",
  version: 1,
  initial: { heard: [] },
  react({ heard }, { event_type, payload, received_at }) {
    const { does } = payload as { does?: "tell" | "hand over" };
    return {
      state: { heard: [...heard, event_type] },
      effects: [
        ...does === "tell"
          ? [{
            kind: "event" as const,
            event_type: "test.told",
            app_source: "flywheel",
            payload: {},
            subject: "it",
          }]
          : [],
        ...does === "hand over"
          ? [{
            kind: "transition" as const,
            source_app: "aube",
            target_app: "cv",
            context: {},
            expires_at: received_at + 86_400_000,
          }]
          : [],
      ],
    };
  },
};
const reactors: readonly Reactor[] = [busy as Reactor];
const shape = shapeOfWork(reactors);

async function published(...doing: ("tell" | "hand over" | "nothing")[]): Promise<string> {
  const user = crypto.randomUUID();
  await publish(database, doing.map((does, n) => event(user, { payload: { does, n } })));
  expect(await rings(), "publishing rings").toBe(1);
  await silence();
  return user;
}

async function heardBy(user: string): Promise<readonly string[]> {
  const { version, processed, state } = await storyOf(base.admin, user);
  expect(processed, "nothing is left").toBe(version);
  return (state.busy as { heard: string[] }).heard;
}

interface Worker {
  /** Returns whether it rang. */
  leave(): Promise<boolean>;
}

async function enter(): Promise<Worker> {
  const [row] = await database<{ slot: { token: string } }[]>`select flywheel.enter() as slot`;
  return {
    async leave() {
      const [left] = await database<{ rang: boolean }[]>`
        select flywheel.leave(${row!.slot.token}, 1) as rang
      `;
      return left!.rang;
    },
  };
}

/** One lease and its commit, as a worker does it whose time is over then. */
async function workOnce(): Promise<Worker> {
  const worker = await enter();
  await work(database, reactors, shape, (await lease(database, shape))!);
  return worker;
}

describe("what a worker's commit appends does not ring, and the same worker folds it:", () => {
  test("an event that a reactor tells", async () => {
    const user = await published("tell");
    await drain(database, reactors);
    expect(await heardBy(user)).toEqual(["test.happened", "test.told"]);
    expect(await rings()).toBe(0);
  });

  test("an event that it tells amid a backlog, which is not folded ahead", async () => {
    await base.admin`update flywheel.settings set lease_events = 1`;
    const user = await published("tell", "nothing");
    await drain(database, reactors);
    expect(await heardBy(user)).toEqual(["test.happened", "test.happened", "test.told"]);
    expect(await rings()).toBe(0);
  });

  test("the transition that it opens", async () => {
    const user = await published("hand over");
    await drain(database, reactors);
    expect(await heardBy(user)).toEqual(["test.happened", "transition_écosystème"]);
    expect(await rings()).toBe(0);
  });

  test("and the same in a replay", async () => {
    const user = await published("tell", "hand over", "nothing");
    await drain(database, reactors);
    const before = await heardBy(user);
    await base.admin`delete from public.phoenix_transitions where user_id = ${user}`;
    await database`select flywheel.reprocess(${user})`;
    await silence();
    await drain(database, reactors);
    expect(await heardBy(user)).toEqual([...before, "transition_écosystème"]);
    expect(await rings()).toBe(0);
  });
});

test("a publication rings though the clock was set back since the bell rang", async () => {
  await base.admin`update flywheel.settings set ring_interval = '10 seconds'`;
  await base.admin`update flywheel.doorbell set rung_at = now() + interval '1 hour'`;
  const session = base.connectOnce();
  const publishing = () => publish(session, event(crypto.randomUUID()));
  // The session remembers the same, as if it had rung itself.
  await session`
    select set_config('flywheel.quiet_until', extract(epoch from now() + interval '1 hour')::text, false)
  `;
  await publishing();
  expect(await rings()).toBe(1);
  await base.admin`update flywheel.doorbell set rung_at = now()`;
  await publishing();
  expect(await rings(), "and not twice").toBe(1);
});

test("a publication succeeds though the bell cannot ring", async () => {
  await base.superuser`alter view vault.decrypted_secrets rename to decrypted_secrets_away`;
  try {
    expect(await publish(database, event(crypto.randomUUID()))).toMatchObject({ accepted: 1 });
  } finally {
    await base.superuser`alter view vault.decrypted_secrets_away rename to decrypted_secrets`;
  }
  expect(await rings()).toBe(0);
});

describe("a worker that leaves", () => {
  test("rings where its own commit left work, and the next one does it", async () => {
    const user = await published("hand over");
    const worker = await workOnce();
    expect(await storyOf(base.admin, user)).toMatchObject({ version: 2, processed: 1 });
    expect(await rings(), "not by the commit").toBe(0);
    expect(await worker.leave()).toBe(true);
    expect(await rings()).toBe(1);
    await drain(database, reactors);
    expect(await heardBy(user)).toEqual(["test.happened", "transition_écosystème"]);
  });

  test("rings though somebody rang just now: the worker who came then may have found no slot", async () => {
    await published("hand over");
    const worker = await workOnce();
    await base.admin`update flywheel.settings set ring_interval = '10 seconds'`;
    await base.admin`update flywheel.doorbell set rung_at = now()`;
    try {
      expect(await worker.leave()).toBe(true);
    } finally {
      await base.admin`update flywheel.settings set ring_interval = default`;
    }
    await drain(database, reactors);
    await silence();
  });

  test("rings where its time was over before it lingered, though nothing is due: the next one lingers", async () => {
    await published("nothing");
    await base.admin`update flywheel.settings set work_events = 1`;
    try {
      await drain(database, reactors);
      expect(await rings()).toBe(1);
    } finally {
      await base.admin`update flywheel.settings set work_events = default`;
    }
    await drain(database, reactors);
    expect(await rings()).toBe(1);
    await silence();
  });

  test("does not ring where nothing is due: everything is folded, or leased by somebody else", async () => {
    await published("tell");
    expect(await (await workOnce()).leave()).toBe(false);
    await published("nothing");
    const other = await lease(database, shape);
    expect(other).toBeDefined();
    await drain(database, reactors);
    expect(await rings()).toBe(0);
    await pass(base.admin, "1 hour");
  });
});

describe("a worker that leaves does not ring for what no other could take either:", () => {
  test("a stream that somebody has locked", async () => {
    const held = await published("nothing");
    await base.admin.begin(async (sql) => {
      await sql`select from flywheel.streams where user_id = ${held} for update`;
      expect(await (await enter()).leave()).toBe(false);
      // For what else is due it does.
      await published("nothing");
      expect(await (await enter()).leave()).toBe(true);
    });
    expect(await (await enter()).leave()).toBe(true);
    await drain(database, reactors);
    await heardBy(held);
  });

  test("a replay that another worker is at", async () => {
    await base.admin`update flywheel.settings set replay_users = 1`;
    for (let user = 0; user < 2; user++) await published("nothing");
    await drain(database, reactors);
    await reprocess(database, reprocessRequest.parse({}));
    // Nothing is due but the rest of the replay.
    await work(database, reactors, shape, (await lease(database, shape))!);
    try {
      await base.admin.begin(async (sql) => {
        await sql`select from flywheel.replays where finished_at is null for no key update`;
        expect(await (await enter()).leave()).toBe(false);
      });
      expect(await (await enter()).leave()).toBe(true);
    } finally {
      await stopReplays(database);
      await base.admin`update flywheel.settings set replay_users = default`;
    }
  });
});

test("a replay rings for a worker, and a worker that leaves rings for the rest of it", async () => {
  for (let user = 0; user < 3; user++) await published("nothing");
  await drain(database, reactors);
  await silence();
  await base.admin`update flywheel.settings set replay_users = 1`;
  try {
    await reprocess(database, reprocessRequest.parse({}));
    expect(await rings()).toBe(1);
    // The user set back so far is folded; the others are still to be set back.
    expect(await (await workOnce()).leave()).toBe(true);
  } finally {
    await stopReplays(database);
    await base.admin`update flywheel.settings set replay_users = default`;
  }
});

test("a publication in the transaction of a commit rings all the same", async () => {
  await published("hand over");
  const leased = (await lease(database, shape))!;
  await base.admin.begin(async (sql) => {
    await work(sql as unknown as Database, reactors, shape, leased);
    const user_id = crypto.randomUUID();
    await sql`select flywheel.publish(${JSON.stringify({ events: [event(user_id)] })})`;
  });
  expect(await rings()).toBe(1);
});

describe("a publication that is held up or refused keeps no other from ringing:", () => {
  test("one of a user whose stream is locked", async () => {
    const [first, locked, other] = ["0", "f", "7"].map((digit) =>
      digit + crypto.randomUUID().slice(1)
    ) as [string, string, string];
    let stuck: Promise<unknown> | undefined;
    await base.admin.begin(async (sql) => {
      await sql`insert into flywheel.streams (user_id) values (${locked})`;
      // The second is like the first, so that they are published one by one.
      stuck = publish(base.connect(), [event(first), event(first), event(locked)]);
      await lockWait(base, "publish");
      await publish(database, event(other));
      expect(await rings()).toBe(1);
      await sql`delete from flywheel.streams where user_id = ${locked}`;
    });
    await stuck;
    expect(await rings()).toBe(2);
  });

  test("one that expects a version of the past, again and again", async () => {
    const user = crypto.randomUUID();
    await publish(database, event(user));
    await silence();
    const times = 60;
    let isOver = false;
    const refused = (async () => {
      const own = base.connect();
      let refusals = 0;
      while (!isOver) {
        const many = Array.from({ length: 50 }, (_, n) => event(user, { payload: { n } }));
        await publish(own, many, { expected_version: 0 }).catch(() => refusals++);
      }
      return refusals;
    })();
    for (let time = 0; time < times; time++) await publish(database, event(crypto.randomUUID()));
    isOver = true;
    expect(await refused).toBeGreaterThan(0);
    expect(await rings()).toBe(times);
  });

  test("and one that expects the right version rings", async () => {
    await publish(database, [event(crypto.randomUUID())], { expected_version: 0 });
    expect(await rings()).toBe(1);
  });
});
