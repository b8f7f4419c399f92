import fc from "fast-check";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Publication } from "../../shared/flywheel/publication.ts";
import { createPublisher } from "../../shared/flywheel/publish.ts";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event } from "../support/flywheel.ts";
import { lockWait } from "../support/lock-wait.ts";
import { isSoak } from "../support/soak.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  await base.admin`update flywheel.settings set max_batch_events = 4`;
  database = base.connectOnce();
});
afterAll(() => base[Symbol.asyncDispose]());

/** One publication, by a user or with a secret key. */
interface Sent {
  body: unknown;
  publisher?: string | undefined;
}

const publishAll = (
  sent: readonly Sent[],
  connection = database,
): Promise<PromiseSettledResult<Publication>[]> => {
  const publish = createPublisher(connection);
  return Promise.allSettled(
    sent.map(({ body, publisher }) =>
      publish({ text: JSON.stringify(body), value: body }, publisher)
    ),
  );
};

async function publishOneByOne(sent: readonly Sent[]) {
  const told: PromiseSettledResult<Publication>[] = [];
  for (const each of sent) told.push(...await publishAll([each]));
  return told;
}

/** A user's log, with the transaction that wrote each event. */
const logOf = (user: string) =>
  base.admin<{ event_id: string; event_type: string; payload: unknown; xmin: string }[]>`
    select event_id, event_type, payload, xmin::text from public.phoenix_events
    where user_id = ${user}
    order by version
  `;

const newUsers = (count: number) => Array.from({ length: count }, () => crypto.randomUUID());

test.each([
  ["without a time", {}],
  ["as apps send them", { timestamp: "2026-03-01T10:00:00.000Z" }],
])(
  "small publications %s that come together travel in one transaction, each answered by itself",
  async (_, more) => {
    const users = newUsers(4);
    const told = await publishAll(
      users.map((user) => ({ body: event(user, more) })),
      base.connect(),
    );
    const logs = await Promise.all(users.map(logOf));
    expect(told.map((each) => each.status === "fulfilled" && each.value)).toEqual(
      logs.map(([stored]) => ({
        accepted: 1,
        duplicates: 0,
        rejected: 0,
        results: [{ event_id: stored!.event_id, status: "accepted" }],
      })),
    );
    expect(new Set(logs.map(([stored]) => stored!.xmin)).size).toBe(1);
  },
);

/** Publishes for a user what is too large to share a transaction while another may begin. */
function sendLarger(connection: Database): (user: string) => Promise<Publication> {
  const publish = createPublisher(connection);
  return (user) => {
    const value = event(user, { payload: { text: "x".repeat(4_000) } });
    return publish({ text: JSON.stringify(value), value }, undefined);
  };
}

test("of larger ones the first goes by itself, and the others together", async () => {
  const users = newUsers(4);
  const payload = { text: "x".repeat(4_000) };
  await publishAll(users.map((user) => ({ body: event(user, { payload }) })), base.connect());
  const [first, ...others] = (await Promise.all(users.map(logOf))).map(([stored]) => stored!.xmin);
  expect(new Set(others).size).toBe(1);
  expect(others).not.toContain(first);
});

test("large ones go by themselves, each of them", async () => {
  const users = newUsers(4);
  const payload = { text: "x".repeat(20_000) };
  await publishAll(users.map((user) => ({ body: event(user, { payload }) })), base.connect());
  const xmins = (await Promise.all(users.map(logOf))).map(([stored]) => stored!.xmin);
  expect(new Set(xmins).size).toBe(4);
});

test("a publication that expects a version goes by itself, and leaves the others together", async () => {
  const users = newUsers(3);
  const [expecting, ...others] = users.map((user) => ({ body: event(user) }));
  const body = { events: [expecting!.body], expected_version: 0 };
  await publishAll([{ body }, ...others], base.connect());
  const xmins = (await Promise.all(users.map(logOf))).map(([stored]) => stored!.xmin);
  expect(new Set(xmins.slice(1)).size).toBe(1);
  expect(xmins.slice(1)).not.toContain(xmins[0]);
});

test("those that come while others are under way travel together once these are over", async () => {
  const [locked, ...users] = newUsers(6) as [string, ...string[]];
  const send = sendLarger(base.connectOnce());
  const telling: Promise<Publication>[] = [];
  await base.admin.begin(async (sql) => {
    await sql`insert into flywheel.streams (user_id) values (${locked})`;
    telling.push(send(locked));
    await lockWait(base, "publish");
    for (const user of users) {
      telling.push(send(user));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await sql`delete from flywheel.streams where user_id = ${locked}`;
  });
  const told = await Promise.all(telling);
  expect(told.map(({ accepted }) => accepted)).toEqual([1, 1, 1, 1, 1, 1]);
  const xmins = (await Promise.all([locked, ...users].map(logOf))).map(([stored]) => stored!.xmin);
  expect(new Set(xmins.slice(1)).size).toBe(1);
  expect(xmins.slice(1)).not.toContain(xmins[0]);
});

test("two that wait for locked streams do not keep the others waiting, the second time either", async () => {
  const send = sendLarger(base.connect());
  for (let time = 0; time < 2; time++) {
    const [one, two, ...others] = newUsers(5) as [string, string, ...string[]];
    const stuck: Promise<Publication>[] = [];
    await base.admin.begin(async (sql) => {
      await sql`insert into flywheel.streams ${sql([one, two].map((user_id) => ({ user_id })))}`;
      stuck.push(send(one), send(two));
      await lockWait(base, "publish", 2);
      const told = await Promise.all(others.map(send));
      expect(told.map(({ accepted }) => accepted)).toEqual([1, 1, 1]);
      await sql`delete from flywheel.streams where user_id in (${one}, ${two})`;
    });
    expect((await Promise.all(stuck)).map(({ accepted }) => accepted)).toEqual([1, 1]);
  }
});

describe.each([
  ["that are small", 10, {}],
  ["that are large", 20_000, {}],
  ["that expect a version", 10, { expected_version: 0 }],
])("a user whose stream is locked, with publications %s,", (_, size, more) => {
  test.each([
    ["one after the other", 120],
    ["all at once", 0],
  ])("%s, does not take an instance's connections from the others", async (_, pause) => {
    const [locked, other] = newUsers(2) as [string, string];
    const publish = createPublisher(base.connect());
    const send = (user: string) => {
      const payload = { text: "x".repeat(size), id: crypto.randomUUID() };
      const body = { events: [event(user, { payload })], ...more };
      return publish({ text: JSON.stringify(body), value: body }, undefined);
    };
    const stuck: Promise<Publication>[] = [];
    await base.admin.begin(async (sql) => {
      await sql`insert into flywheel.streams (user_id) values (${locked})`;
      for (let time = 0; time < 6; time++) {
        stuck.push(send(locked));
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
      await lockWait(base, "publish");
      const sent = send(other);
      stuck.push(send(locked));
      expect((await sent).accepted).toBe(1);
      await sql`delete from flywheel.streams where user_id = ${locked}`;
    });
    const told = await Promise.allSettled(stuck);
    expect(told.filter(({ status }) => status === "fulfilled")).toHaveLength(
      "expected_version" in more ? 1 : 7,
    );
  });
});

test.each([
  ["large", 20_000, "small", 10],
  ["small", 10, "large", 20_000],
])(
  "a user whose %s publication (%i) is held up keeps nobody waiting with a %s one (%i)",
  async (_, held, __, next) => {
    const [locked, other] = newUsers(2) as [string, string];
    const two = postgres(base.url, { max: 2, onnotice() {}, connection: { role: "service_role" } });
    const publish = createPublisher(two);
    const send = (user: string, size: number) => {
      const value = event(user, { payload: { text: "x".repeat(size) } });
      return publish({ text: JSON.stringify(value), value }, undefined);
    };
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(async () => {
      vi.useRealTimers();
      await two.end({ timeout: 1 });
    });
    const stuck: Promise<Publication>[] = [];
    await base.admin.begin(async (sql) => {
      await sql`insert into flywheel.streams (user_id) values (${locked})`;
      stuck.push(send(locked, held));
      await lockWait(base, "publish");
      vi.advanceTimersByTime(100);
      stuck.push(send(locked, next));
      expect((await send(other, 10)).accepted).toBe(1);
      await sql`delete from flywheel.streams where user_id = ${locked}`;
    });
    expect((await Promise.all(stuck)).map(({ accepted }) => accepted)).toEqual([1, 1]);
  },
);

test("as many as may travel together do, and the others after them", async () => {
  const users = newUsers(25);
  const payload = { text: "x".repeat(16_000) };
  await publishAll(users.map((user) => ({ body: event(user, { payload }) })));
  const logs = await Promise.all(users.map(logOf));
  const sizes = Map.groupBy(logs, ([stored]) => stored!.xmin).values().map(({ length }) => length);
  expect([...sizes].toSorted((a, b) => a - b)).toEqual([1, 8, 8, 8]);
});

test("numbers arrive as they were written, to the last digit", async () => {
  const users = newUsers(3);
  const publish = createPublisher(database);
  await Promise.all(users.map((user) => {
    const text = JSON.stringify(event(user, { payload: { n: 0 } }))
      .replace('"n":0', '"n":12345678901234567890.12345678901234567890');
    return publish({ text, value: JSON.parse(text) }, undefined);
  }));
  const stored = await base.admin`
    select payload ->> 'n' as n from public.phoenix_events where user_id = any (${users})
  `;
  expect(stored.map(({ n }) => n)).toEqual(
    users.map(() => "12345678901234567890.1234567890123456789"),
  );
});

describe("what one does wrong is its own business:", () => {
  test("a publication that is refused whole is told so, and all others are published", async () => {
    const [one, busy, other, late] = newUsers(4) as [string, string, string, string];
    const five = Array.from({ length: 5 }, () => event(busy));
    const told = await publishAll([
      { body: event(one) },
      { body: event(one) },
      { body: five },
      { body: { events: [] } },
      { body: { events: [event(late)], expected_version: 7 } },
      { body: event(other) },
      { body: { events: "none" } },
    ]);
    expect(told.map((each) => each.status === "fulfilled" ? each.value.results : each.reason))
      .toMatchObject([
        [{ status: "accepted" }],
        [{ status: "duplicate" }],
        { code: "PT413", detail: "too_many_events" },
        { code: "PT400", detail: "no_events" },
        { code: "PT409", detail: "wrong_expected_version" },
        [{ status: "accepted" }],
        { code: "PT400", detail: "invalid_body" },
      ]);
    expect(await logOf(busy)).toEqual([]);
    expect(await logOf(late)).toEqual([]);
  });

  test("a publication with an unknown field is refused, and told which", async () => {
    const [one, other] = newUsers(2) as [string, string];
    const told = await publishAll([
      { body: event(one) },
      { body: { events: [event(other)], expected_versions: 0 } },
    ]);
    expect(told).toMatchObject([
      { value: { accepted: 1 } },
      {
        reason: {
          code: "PT400",
          detail: "invalid_body",
          message: expect.stringContaining("expected_versions"),
        },
      },
    ]);
    expect(await logOf(other)).toEqual([]);
  });

  test.each([["together", {}], ["in order", { timestamp: "2026-03-01T10:00:00.000Z" }]])(
    "what is sent %s is as large as the settings say, to the byte, and each counts by itself",
    async (_, more) => {
      const [most, users] = [1_024, newUsers(4)];
      await base.admin`update flywheel.settings set max_batch_bytes = ${most}`;
      try {
        const told = await publishAll(users.map((user, n) => {
          const sized = (text: string) => {
            const one = event(user, { ...more, payload: { text } });
            return [one, [one], { events: [one] }, one][n];
          };
          const room = most - JSON.stringify(sized("")).length + (n === 3 ? 1 : 0);
          return { body: sized("x".repeat(room)) };
        }));
        expect(told).toMatchObject([
          ...Array(3).fill({ value: { accepted: 1 } }),
          { reason: { code: "PT413", detail: "body_too_large" } },
        ]);
      } finally {
        await base.admin`update flywheel.settings set max_batch_bytes = default`;
      }
    },
  );

  test("of those who expect the same version at once one is published", async () => {
    const [user] = newUsers(1) as [string];
    const told = await publishAll(
      [1, 2, 3].map((n) => ({
        body: { events: [event(user, { payload: { n } })], expected_version: 0 },
      })),
    );
    expect(told.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await logOf(user)).toHaveLength(1);
  });

  test("the database takes no publication with an expected version together with others", async () => {
    const bodies = JSON.stringify([{ events: [event(newUsers(1)[0]!)], expected_version: 0 }]);
    await expect(database`select flywheel.publish_together(${bodies}, array[99], ${[null]})`)
      .rejects
      .toMatchObject({ code: "PT400", detail: "invalid_expected_version" });
  });
});

test("when their connection ends on the way, all are told, nothing is stored, and each may try again", async () => {
  const [locked, ...users] = newUsers(5) as [string, ...string[]];
  const sent = [...users, locked].map((user) => ({ body: event(user) }));
  const own = base.connectOnce();
  let telling: Promise<PromiseSettledResult<Publication>[]>;
  await base.admin.begin(async (sql) => {
    await sql`insert into flywheel.streams (user_id) values (${locked})`;
    telling = publishAll(sent, own);
    await base.superuser`select pg_terminate_backend(${await lockWait(base, "publish_together")})`;
    await sql`delete from flywheel.streams where user_id = ${locked}`;
  });
  for (const each of await telling!) {
    expect(each).toMatchObject({
      status: "rejected",
      reason: { code: expect.stringMatching(/^(57P01|CONNECTION_CLOSED)$/) },
    });
  }
  const again = await publishAll(sent);
  expect(again.map((each) => each.status === "fulfilled" && each.value.accepted)).toEqual(
    [1, 1, 1, 1, 1],
  );
});

test("where one of them is refused whole, the others keep their order", async () => {
  const [user] = newUsers(1) as [string];
  const at = (second: number) => event(user, { timestamp: `2026-03-01T10:00:0${second}.000Z` });
  await publishAll([{ body: at(1) }]);
  const tooMany = [2, 3, 4, 5, 6].map(at);
  // The first of the others is late, so that it takes two steps and the second one.
  const told = await publishAll([{ body: tooMany }, { body: at(0) }, { body: at(7) }]);
  expect(told).toMatchObject([
    { reason: { code: "PT413" } },
    { value: { accepted: 1 } },
    { value: { accepted: 1 } },
  ]);
  const ids = told.slice(1).map((each) => (each as PromiseFulfilledResult<Publication>).value)
    .map(({ results }) => results[0]!.event_id);
  expect((await logOf(user)).slice(1).map(({ event_id }) => event_id)).toEqual(ids);
});

/** An event by the numbers of its user and id, so that the same can be told twice. */
interface Draft {
  user: number;
  isNamed: boolean;
  content: number;
  id: number | null;
  time: number | null;
  flaw: "none" | "of the envelope" | "of the payload" | "no object";
}

/** A publication of such events, by a user or with a secret key. */
interface Drafted {
  by: number | null;
  form: "one" | "list" | "events";
  drafts: Draft[];
}

const draft: fc.Arbitrary<Draft> = fc.record({
  user: fc.nat(1),
  isNamed: fc.boolean(),
  content: fc.nat(2),
  id: fc.option(fc.nat(2), { freq: 2 }),
  time: fc.option(fc.nat(2), { freq: 2 }),
  flaw: fc.oneof(
    { weight: 8, arbitrary: fc.constant("none" as const) },
    { weight: 1, arbitrary: fc.constantFrom("of the envelope", "of the payload", "no object") },
  ),
});

const publications: fc.Arbitrary<Drafted[]> = fc.array(
  fc.record({
    by: fc.option(fc.nat(1), { freq: 2 }),
    form: fc.constantFrom("one", "list", "events"),
    // Now and then one more than a publication may hold.
    drafts: fc.array(draft, { minLength: 1, maxLength: 5 }),
  }),
  { minLength: 2, maxLength: 8 },
);

/** Users and ids of their own for the same publications, and what is told of them without them. */
class World {
  readonly users = newUsers(2);
  readonly #ids = newUsers(3);

  write({ by, form, drafts }: Drafted): Sent {
    const events = drafts.map((each) => this.#event(each, by));
    return {
      body: form === "one" ? events[0] : form === "list" ? events : { events },
      publisher: by === null ? undefined : this.users[by],
    };
  }

  #event({ user, isNamed, content, id, time, flaw }: Draft, by: number | null): unknown {
    if (flaw === "no object") return content;
    const isOfPayload = flaw === "of the payload";
    return {
      ...(isNamed || by === null ? { user_id: this.users[user] } : {}),
      event_type: isOfPayload ? "mood.logged" : "test.happened",
      app_source: flaw === "of the envelope" ? "No Slug" : "website",
      payload: isOfPayload ? { mood_score: 11 } : { content },
      ...(id === null ? {} : { event_id: this.#ids[id] }),
      ...(time === null ? {} : { timestamp: `2026-03-01T10:00:0${time}.000Z` }),
    };
  }

  /** What publishers were told and what is in the log, with numbers in place of ids, in the order in which they are met. */
  async story(told: readonly PromiseSettledResult<Publication>[]): Promise<unknown> {
    const answers = told.map((each) =>
      each.status === "fulfilled" ? each.value : { code: each.reason.code, of: each.reason.detail }
    );
    const logs = await Promise.all(this.users.map(logOf));
    const stored = logs.map((log) => log.map(({ xmin: _, ...rest }) => rest));
    const met = new Map<string, number>();
    return JSON.parse(
      JSON.stringify([answers, stored]),
      (key, value) =>
        key === "event_id" && value !== null
          ? met.get(value) ?? met.set(value, met.size).get(value)
          : value,
    );
  }
}

test("whatever is published together comes to what it would have come to one by one", async () => {
  await fc.assert(
    fc.asyncProperty(publications, async (drafted) => {
      const [together, alone] = [new World(), new World()];
      const tolds = [
        await together.story(await publishAll(drafted.map((each) => together.write(each)))),
        await alone.story(await publishOneByOne(drafted.map((each) => alone.write(each)))),
      ];
      expect(tolds[0]).toEqual(tolds[1]);
    }),
    { numRuns: isSoak ? 2_000 : 150 },
  );
});
