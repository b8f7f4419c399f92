import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { drain, type Event, event, publish } from "../support/flywheel.ts";

let base: TestDatabase;
let database: postgres.Sql;
/** The functions that publications have called. */
let called: string[] = [];

beforeAll(async () => {
  base = await testDatabase();
  await base.admin`update flywheel.settings set max_batch_events = 4`;
  database = postgres(base.url, {
    max: 1,
    onnotice() {},
    connection: { role: "service_role" },
    debug(_, query) {
      called.push(...query.match(/flywheel\.\w+/g) ?? []);
    },
  });
});
afterAll(async () => {
  await database?.end({ timeout: 1 });
  await base?.[Symbol.asyncDispose]();
});

const newId = () => crypto.randomUUID();
const at = (minute: number) => `2026-03-01T10:${String(minute).padStart(2, "0")}:00.000Z`;
const short = ["flywheel.publish_timely"];
const shortForMany = ["flywheel.publish_timely_streams"];
const long = ["flywheel.publish"];

/** Publishes, and tells what became of the events and which functions were called. */
async function send(...events: Event[]) {
  called = [];
  const { results } = await publish(database, events);
  return { statuses: results.map(({ status }) => status), results, called };
}

/** A user's log, by version. */
const logOf = (user: string) =>
  base.admin<Record<string, unknown>[]>`
    select version, event_id, "timestamp", received_at from public.phoenix_events
    where user_id = ${user}
    order by version
  `;

describe("what a user's app sends in order takes one short step", () => {
  test("from the first event on, one or several at a time", async () => {
    const user = newId();
    const ids = [newId(), newId().toUpperCase(), newId(), newId(), newId()];
    const sent = ids.map((event_id, n) => event(user, { event_id, timestamp: at(n) }));
    expect(await send(sent[0]!)).toMatchObject({ statuses: ["accepted"], called: short });
    expect(await send(sent[1]!)).toMatchObject({ statuses: ["accepted"], called: short });
    const { results, ...told } = await send(...sent.slice(2));
    expect(told).toEqual({ statuses: Array(3).fill("accepted"), called: short });
    expect(results.map(({ event_id }) => event_id)).toEqual(ids.slice(2));
    expect(await logOf(user)).toEqual(ids.map((event_id, n) => ({
      version: String(n + 1),
      event_id: event_id.toLowerCase(),
      timestamp: new Date(at(n)),
      received_at: expect.any(Date),
    })));
  });

  test("and so do several users' events, mixed", async () => {
    const [one, other] = [newId(), newId()];
    await send(event(one, { timestamp: at(1) }));
    const told = await send(
      event(one, { timestamp: at(2) }),
      event(other, { timestamp: at(2) }),
      event(one, { timestamp: at(3) }),
    );
    expect(told).toMatchObject({ statuses: Array(3).fill("accepted"), called: shortForMany });
    expect((await logOf(one)).map(({ timestamp }) => timestamp)).toEqual(
      [1, 2, 3].map((n) => new Date(at(n))),
    );
    const received = (await logOf(one)).map(({ received_at }) => Number(received_at));
    expect(received).toEqual(received.toSorted((a, b) => a - b));
  });

  test("with Aube's names for the fields", async () => {
    const user = newId();
    const { event_type } = event(user);
    const told = await send({
      user_id: user,
      event_type,
      source_app: "phoenix_aube",
      data: { a: 1 },
      partition_key: user,
      timestamp: at(1),
    });
    expect(told).toMatchObject({ statuses: ["accepted"], called: short });
    expect(
      await base
        .admin`select app_source, payload from public.phoenix_events where user_id = ${user}`,
    )
      .toEqual([{ app_source: "aube", payload: { a: 1 } }]);
  });
});

describe("a closer look is taken at", () => {
  test.each<[string, (user: string, id: string) => Event[], string[]]>([
    ["what happened earlier than the last event", (user) => [event(user, { timestamp: at(1) })], [
      "accepted",
    ]],
    [
      "what happened at the same time",
      (user) => [event(user, { timestamp: at(2), payload: { n: 1 } })],
      ["accepted"],
    ],
    ["what was sent before", (user) => [event(user, { timestamp: at(2) })], ["duplicate"]],
    ["a known event_id", (user, event_id) => [event(user, { event_id, timestamp: at(3) })], [
      "rejected",
    ]],
    [
      "a known event_id among others",
      (user, event_id) => [
        event(user, { timestamp: at(3) }),
        event(user, { event_id, timestamp: at(4) }),
        event(user, { timestamp: at(5) }),
      ],
      ["accepted", "rejected", "accepted"],
    ],
    [
      "one user of several whose event is late",
      (user) => [event(newId(), { timestamp: at(3) }), event(user, { timestamp: at(1) })],
      ["accepted", "accepted"],
    ],
    [
      "what a clock far ahead says",
      (user) => [event(user, { timestamp: "2999-01-01T00:00:00.000Z" })],
      ["rejected"],
    ],
  ])("%s, once it turns out so", async (_, later, statuses) => {
    const [user, event_id] = [newId(), newId()];
    await send(event(user, { event_id, timestamp: at(2) }));
    const told = await send(...later(user, event_id));
    expect(told.statuses).toEqual(statuses);
    expect(told.called).toEqual([expect.stringMatching("publish_timely"), ...long]);
    const versions = (await logOf(user)).map(({ version }) => version);
    expect(versions).toEqual(versions.map((_, place) => String(place + 1)));
  });

  test.each<[string, (user: string) => Event[], string[]]>([
    ["what has no time", (user) => [event(user)], ["accepted"]],
    [
      "a day that its month has not",
      (user) => [event(user, { timestamp: "2026-02-29T00:00:00.000Z" })],
      ["rejected"],
    ],
    [
      "two of a user at the same time",
      (user) => [event(user, { timestamp: at(1) }), event(user, { timestamp: at(1) })],
      ["accepted", "duplicate"],
    ],
    [
      "what the catalogue refuses",
      (user) => [
        event(user, { event_type: "mood.logged", payload: { mood_score: 11 }, timestamp: at(1) }),
      ],
      ["rejected"],
    ],
  ])("%s, at once", async (_, sent, statuses) => {
    expect(await send(...sent(newId()))).toMatchObject({ statuses, called: long });
  });

  test("more events than the settings allow", async () => {
    const user = newId();
    const five = [1, 2, 3, 4, 5].map((n) => event(user, { timestamp: at(n) }));
    await expect(send(...five)).rejects.toMatchObject({ code: "PT413" });
    const others = five.map((each) => ({ ...each, user_id: newId() }));
    await expect(send(...others)).rejects.toMatchObject({ code: "PT413" });
    expect(await logOf(user)).toEqual([]);
  });
});

test("an event_id that stands for another event is found out, and everything else of its user goes the short way", async () => {
  const [user, alias] = [newId(), newId()];
  await send(event(user, { timestamp: at(1) }));
  const same = event(user, { event_id: alias, timestamp: at(1) });
  expect((await send(same)).statuses).toEqual(["duplicate"]);

  const next = (minute: number, more = {}) => event(user, { timestamp: at(minute), ...more });
  const others = (minute: number) => event(newId(), { timestamp: at(minute) });
  const accepted = (count: number) => Array(count).fill("accepted");
  expect(await send(next(2))).toMatchObject({ statuses: accepted(1), called: short });
  expect(await send(next(3), next(4))).toMatchObject({ statuses: accepted(2), called: short });
  expect(await send(next(5), others(5)))
    .toMatchObject({ statuses: accepted(2), called: shortForMany });

  const known = (minute: number) => next(minute, { event_id: alias });
  expect(await send(known(6)))
    .toMatchObject({ statuses: ["rejected"], called: [...short, ...long] });
  expect(await send(next(6), known(7), next(8))).toMatchObject({
    statuses: ["accepted", "rejected", "accepted"],
    called: [...short, ...long],
  });
  expect(await send(next(9), others(9), known(10))).toMatchObject({
    statuses: ["accepted", "accepted", "rejected"],
    called: [...shortForMany, ...long],
  });
  const versions = (await logOf(user)).map(({ version }) => version);
  expect(versions).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map(String));
});

test("where all that several users send turns out to be known, no version is left reserved", async () => {
  const users = [newId(), newId()];
  const [aliases, worker] = [users.map(newId), base.connect()];
  for (const event_id of [undefined, ...aliases]) {
    await send(
      ...users.map((user, n) =>
        event(user, { timestamp: at(1), ...(event_id && { event_id: aliases[n] }) })
      ),
    );
  }
  await drain(worker, []);
  const again = users.map((user, n) => event(user, { event_id: aliases[n], timestamp: at(2) }));
  expect(await send(...again))
    .toMatchObject({ statuses: ["rejected", "rejected"], called: [...shortForMany, ...long] });
  const streams = await base.admin`
    select version::int, available_at from flywheel.streams where user_id = any (${users})
  `;
  expect(streams).toEqual(users.map(() => ({ version: 1, available_at: null })));
  expect(await drain(worker, [])).toMatchObject({ processed: 0, users: 0 });
});

test.each([1, 2])("what turns out to be known, %d at once, leaves nothing to do", async (count) => {
  const [user, event_id] = [newId(), newId()];
  await send(event(user, { event_id, timestamp: at(1) }));
  await drain(base.connect(), []);
  const stream = () => base.admin`select * from flywheel.streams where user_id = ${user}`;
  const before = await stream();
  const known = { event_id, timestamp: at(2) };
  const told = await send(
    event(user, known),
    ...count > 1 ? [event(user, { ...known, timestamp: at(3) })] : [],
  );
  expect(told.statuses).toEqual(Array(count).fill("rejected"));
  const [after] = await stream();
  // Without a backlog pending_since means nothing; latest_at and latest_before only decide on a closer look, reached_at what is later.
  const { pending_since, reached_at, latest_at, latest_before } = after!;
  expect(after).toEqual({ ...before[0], pending_since, reached_at, latest_at, latest_before });
});

test.each([{ timestamp: at(1) }, {}])(
  "a reference that is left empty is none: %j",
  async (more) => {
    const user = newId();
    const references = { correlation_id: "", causation_id: "c1", session_id: "" };
    expect((await send(event(user, { ...more, ...references }))).statuses).toEqual(["accepted"]);
    expect(
      await base.admin`
      select correlation_id, causation_id, session_id from public.phoenix_events
      where user_id = ${user}
    `,
    ).toEqual([{ correlation_id: null, causation_id: "c1", session_id: null }]);
  },
);

test("the last day of a month is a day", async () => {
  const told = await send(event(newId(), { timestamp: "2026-01-31T23:59:59.999Z" }));
  expect(told).toMatchObject({ statuses: ["accepted"], called: short });
});

test("of those who publish the same at the same moment one is first", async () => {
  const connections = Array.from({ length: 4 }, () => base.connectOnce());
  for (let round = 0; round < 25; round++) {
    const [user, other, event_id] = [newId(), newId(), round % 2 ? newId() : undefined];
    const sent = [event(user, { timestamp: at(1), ...event_id && { event_id } })];
    if (round % 3 === 0) sent.push(event(other, { timestamp: at(1) }));
    const told = await Promise.all(connections.map((each) => publish(each, sent)));
    expect(told.map(({ accepted }) => accepted).toSorted()).toEqual([0, 0, 0, sent.length]);
    expect(new Set(told.map(({ results }) => results[0]!.event_id)).size).toBe(1);
    expect(await logOf(user)).toHaveLength(1);
  }
});

describe.each([1, 2])("what %i users send in order", (count) => {
  const users = () => Array.from({ length: count }, newId);

  test("is refused from more than a little ahead", async () => {
    const sent = users().map((user) => event(user, { timestamp: "2999-01-01T00:00:00.000Z" }));
    expect((await send(...sent)).statuses).toEqual(sent.map(() => "rejected"));
  });

  test("may be as large as the settings say", async () => {
    const payload = { text: "x".repeat(3000) };
    const sent = users().map((user) => event(user, { timestamp: at(1), payload }));
    await base.admin`update flywheel.settings set max_batch_bytes = 1024`;
    try {
      await expect(send(...sent)).rejects.toMatchObject({ code: "PT413" });
    } finally {
      await base.admin`update flywheel.settings set max_batch_bytes = default`;
    }
    expect((await send(...sent)).statuses).toEqual(sent.map(() => "accepted"));
  });
});
