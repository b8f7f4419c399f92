import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { event, publish, publishText } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

const newId = () => crypto.randomUUID();

/** As if that much time had passed since this user last published. */
async function pass(user: string, time: string): Promise<void> {
  await base.admin`
    update flywheel.fingerprints set seen_at = seen_at - ${time}::text::interval where user_id = ${user}
  `;
}

async function storedIds(user: string): Promise<string[]> {
  const rows = await base.admin`
    select event_id from public.phoenix_events where user_id = ${user} order by version
  `;
  return rows.map((row) => row.event_id);
}

async function statuses(body: Parameters<typeof publish>[1]): Promise<string[]> {
  const { results } = await publish(database, body);
  return results.map(({ status, error }) => error?.code ?? status);
}

describe("two publications are the same event", () => {
  test("when they have the same event_id for the same user, however much time lies between", async () => {
    const [user, event_id] = [newId(), newId()];
    await publish(database, event(user, { event_id }));
    await pass(user, "1 year");
    await base.admin`delete from flywheel.fingerprints where user_id = ${user}`;
    const again = await publish(database, event(user, { event_id }));
    expect(again).toEqual({
      accepted: 0,
      duplicates: 1,
      rejected: 0,
      results: [{ event_id, status: "duplicate" }],
    });
    expect(await storedIds(user)).toEqual([event_id]);
  });

  test("but not when only the event_id is the same, of different users", async () => {
    const event_id = newId();
    expect(await statuses([event(newId(), { event_id }), event(newId(), { event_id })]))
      .toEqual(["accepted", "accepted"]);
  });

  test("when they have the same content within the window, and the first one's event_id is the answer", async () => {
    const user = newId();
    const first = await publish(database, event(user, { payload: { a: 1 } }));
    // Less than the window by more than a machine may stall.
    await pass(user, "4 minutes 45 seconds");
    const again = await publish(database, event(user, { event_id: newId(), payload: { a: 1 } }));
    expect(again.results).toEqual([{ event_id: first.results[0]!.event_id, status: "duplicate" }]);
  });

  describe.each([1, 2])("%i at a time", (count) => {
    const several = (user: string) =>
      Array.from({ length: count }, (_, n) => event(user, { payload: { n } }));
    const each = (status: string) => Array(count).fill(status);

    test("but not after the window", async () => {
      const user = newId();
      await publish(database, several(user));
      await pass(user, "5 minutes");
      expect(await statuses(several(user))).toEqual(each("accepted"));
      expect(await storedIds(user)).toHaveLength(2 * count);
    });

    test("as long as each comes within the window of the one before: it slides", async () => {
      const user = newId();
      await publish(database, several(user));
      for (let time = 0; time < 4; time++) {
        await pass(user, "4 minutes");
        expect(await statuses(several(user))).toEqual(each("duplicate"));
      }
      await pass(user, "6 minutes");
      expect(await statuses(several(user))).toEqual(each("accepted"));
    });

    test("but not for what a clock saw that was ahead by more than the window, and was set right since", async () => {
      const user = newId();
      await publish(database, several(user));
      await pass(user, "-4 minutes");
      expect(await statuses(several(user)), "a small step").toEqual(each("duplicate"));
      await pass(user, "-6 minutes");
      expect(await statuses(several(user))).toEqual(each("accepted"));
      expect(await statuses(several(user))).toEqual(each("duplicate"));
    });
  });

  test("for ever, when the publisher says when it happened", async () => {
    const user = newId();
    const sent = event(user, { timestamp: "2025-03-01T10:00:00Z" });
    await publish(database, sent);
    await pass(user, "10 years");
    expect(await statuses(sent)).toEqual(["duplicate"]);
  });

  test("and the publisher's time is part of it, as a moment and not as it is written", async () => {
    const user = newId();
    const at = (timestamp: string) => event(user, { timestamp });
    await publish(database, at("2025-03-01T10:00:00Z"));
    expect(await statuses(at("2025-03-01T12:00:00.000+02:00"))).toEqual(["duplicate"]);
    expect(await statuses(at("2025-03-01T10:00:00.001Z"))).toEqual(["accepted"]);
    expect(await statuses(event(user))).toEqual(["accepted"]);
  });

  test("inside one batch, where the first counts", async () => {
    const [user, other] = [newId(), newId()];
    const { results, ...counts } = await publish(database, [
      event(user, { payload: { n: 1 } }),
      event(other, { payload: { n: 1 } }),
      event(user, { payload: { n: 1 } }),
      event(user, { payload: { n: 2 } }),
      event(user, { event_id: newId(), payload: { n: 1 } }),
    ]);
    expect(counts).toEqual({ accepted: 3, duplicates: 2, rejected: 0 });
    expect(results.map(({ status }) => status))
      .toEqual(["accepted", "accepted", "duplicate", "accepted", "duplicate"]);
    expect(results[2]!.event_id).toBe(results[0]!.event_id);
    expect(results[4]!.event_id).toBe(results[0]!.event_id);
    expect(await storedIds(user)).toEqual([results[0]!.event_id, results[3]!.event_id]);
  });

  test("in a batch that mixes what is later than the log with what is not, and what has no time", async () => {
    const [user, other] = [newId(), newId()];
    const early = event(user, { timestamp: "2025-03-01T10:00:00.000Z" });
    const late = event(user, { timestamp: "2025-03-01T12:00:00.000Z" });
    const between = event(user, { timestamp: "2025-03-01T11:00:00.000Z" });
    const untimed = event(user);
    const elsewhere = event(other, { timestamp: "2025-03-01T10:00:00.000Z" });
    expect(await statuses([early, late])).toEqual(["accepted", "accepted"]);
    expect(await statuses([between, elsewhere, late, untimed]))
      .toEqual(["accepted", "accepted", "duplicate", "accepted"]);
    expect(await statuses([untimed, elsewhere])).toEqual(["duplicate", "duplicate"]);
    expect(await statuses(late)).toEqual(["duplicate"]);
  });

  test("across batches at the same moment, of which one is first", async () => {
    const users = Array.from({ length: 5 }, newId);
    const batch = users.flatMap((user) =>
      [1, 2, 3].map((n) => event(user, { payload: { n }, timestamp: "2025-03-01T10:00:00Z" }))
    );
    const connections = Array.from({ length: 6 }, () => base.connect());
    const answers = await Promise.all(connections.map((each, index) =>
      // Each in another order, so that they meet in the middle.
      publish(each, index % 2 === 0 ? batch : batch.toReversed())
    ));
    const sum = (key: "accepted" | "duplicates") =>
      answers.reduce((total, answer) => total + answer[key], 0);
    expect(sum("accepted")).toBe(15);
    expect(sum("duplicates")).toBe(75);
    const answered = new Set(answers.flatMap(({ results }) => results.map((r) => r.event_id)));
    const stored = (await Promise.all(users.map(storedIds))).flat();
    expect(answered).toEqual(new Set(stored));
    expect(stored).toHaveLength(15);
  });
});

describe("an event_id that stands for another content", () => {
  test("is refused, and nothing of it is kept", async () => {
    const [user, event_id] = [newId(), newId()];
    await publish(database, event(user, { event_id, payload: { a: 1 } }));
    const again = await publish(database, event(user, { event_id, payload: { a: 2 } }));
    expect(again).toMatchObject({ accepted: 0, duplicates: 0, rejected: 1 });
    expect(again.results[0]).toMatchObject({
      event_id,
      status: "rejected",
      error: { code: "event_id_reused" },
    });
    expect(await storedIds(user)).toHaveLength(1);
    expect(await statuses(event(user, { payload: { a: 2 } }))).toEqual(["accepted"]);
  });

  test.each([
    ["type", { event_type: "test.other" }],
    ["app", { app_source: "aube" }],
    ["payload", { payload: { b: 1 } }],
    ["time", { timestamp: "2025-03-01T10:00:00Z" }],
  ])("another %s is another content", async (_, change) => {
    const [user, event_id] = [newId(), newId()];
    await publish(database, event(user, { event_id }));
    expect(await statuses(event(user, { event_id, ...change }))).toEqual(["event_id_reused"]);
  });

  test("is refused inside one batch too, and the rest of the batch is taken", async () => {
    const [user, event_id] = [newId(), newId()];
    const sent = [{ a: 1 }, { a: 2 }, { a: 1 }, { a: 3 }].map((payload, index) =>
      event(user, { payload, ...(index < 3 && { event_id }) })
    );
    expect(await statuses(sent)).toEqual(["accepted", "event_id_reused", "duplicate", "accepted"]);
    expect(await storedIds(user)).toHaveLength(2);
  });

  test("is refused however late the event that has it, and its batch leaves no gap", async () => {
    const [user, event_id] = [newId(), newId()];
    const at = (hour: number, more = {}) =>
      event(user, { timestamp: `2025-03-01T1${hour}:00:00.000Z`, ...more });
    await publish(database, [at(0), at(1, { event_id })]);
    // Later than all that is there: only the event_id gives one of them away.
    const batch = [at(2), at(3, { event_id }), at(4)];
    expect(await statuses(batch)).toEqual(["accepted", "event_id_reused", "accepted"]);
    // And once more, when they are not later any more.
    expect(await statuses(batch)).toEqual(["duplicate", "event_id_reused", "duplicate"]);
    const rows = await base.admin`
      select version::int from public.phoenix_events where user_id = ${user} order by version
    `;
    expect(rows.map(({ version }) => version)).toEqual([1, 2, 3, 4]);
  });

  test("of batches at the same moment stands for one of their contents", async () => {
    const [user, event_id] = [newId(), newId()];
    const answers = await Promise.all(
      [1, 2, 3, 4].map((n) => publish(base.connect(), event(user, { event_id, payload: { n } }))),
    );
    expect(answers.map(({ accepted }) => accepted).sort()).toEqual([0, 0, 0, 1]);
    expect(answers.map(({ rejected }) => rejected).sort()).toEqual([0, 1, 1, 1]);
  });
});

describe.each([1, 2])("an event_id that was answered as another's, %i at a time", (count) => {
  /** As many events, each with its own content, under these event_ids. */
  const sent = (user: string, ids: readonly string[], more = {}) =>
    ids.map((event_id, n) => event(user, { event_id, payload: { n }, ...more }));
  const newIds = () => Array.from({ length: count }, newId);
  const answers = async (events: ReturnType<typeof sent>) =>
    (await publish(database, events)).results.map(({ event_id, status }) => [event_id, status]);

  test.each([
    ["without a time", {}, {}],
    ["with a time", { timestamp: "2025-03-01T10:00:00.000Z" }, {
      timestamp: "2025-03-01T11:00:00.000Z",
    }],
  ])("stands for that event from then on, %s", async (_, time, later) => {
    const [user, first, second, third] = [newId(), newIds(), newIds(), newIds()];
    const duplicates = first.map((event_id) => [event_id, "duplicate"]);
    await publish(database, sent(user, first, time));
    expect(await answers(sent(user, second, time))).toEqual(duplicates);
    await pass(user, "1 year");
    await base.admin`delete from flywheel.fingerprints where user_id = ${user}`;
    expect(await answers(sent(user, second, time))).toEqual(duplicates);

    const other = sent(user, second, { payload: { other: true }, ...later });
    expect(await statuses(other)).toEqual(Array(count).fill("event_id_reused"));
    expect(await answers(other)).toEqual(second.map((event_id) => [event_id, "rejected"]));
    // What comes with them is taken.
    const [fresh] = third;
    const also = [event(user, { event_id: fresh, payload: {}, ...later }), event(newId(), later)];
    expect(await statuses([...other, ...also]))
      .toEqual([...Array(count).fill("event_id_reused"), "accepted", "accepted"]);
    expect(await storedIds(user)).toEqual([...first, fresh]);
  });

  test("is forgotten with its user", async () => {
    const [user, first, second] = [newId(), newIds(), newIds()];
    await publish(database, sent(user, first));
    await publish(database, sent(user, second));
    await base.admin`select flywheel.erase_user(${user}, 'asked to')`;
    expect(await answers(sent(user, second))).toEqual(second.map((id) => [id, "accepted"]));
  });
});

test("only event_ids that publishers gave are remembered", async () => {
  const [user, event_id] = [newId(), newId()];
  await publish(database, [event(user, { payload: { n: 1 } }), event(user, { payload: { n: 2 } })]);
  await publish(database, [event(user, { payload: { n: 1 } }), event(user, { payload: { n: 2 } })]);
  await publish(database, event(user, { payload: { n: 1 } }));
  await publish(database, event(user, { event_id, payload: { n: 1 } }));
  expect(await base.admin`select event_id from flywheel.aliases where user_id = ${user}`)
    .toEqual([{ event_id }]);
});

test("the window is a setting, in force from the next call", async () => {
  await using own = await testDatabase();
  const [publisher, user] = [own.connect(), newId()];
  await publish(publisher, event(user));
  await own.admin`update flywheel.settings set dedup_window = '0'`;
  expect((await publish(publisher, event(user))).accepted).toBe(1);
  await own.admin`update flywheel.settings set dedup_window = '1 hour'`;
  expect((await publish(publisher, event(user))).duplicates).toBe(1);
});

test("a number beyond the range of a double is refused, not rounded", async () => {
  const fields: [string, string][] = [
    [`"payload":{"n":{"m":[1e400]}}`, "payload"],
    [`"data":{"n":-1e400}`, "data"],
    [`"payload":{"n":1},"metadata":{"n":1e309}`, "metadata"],
    [`"session_id":1e400`, "session_id"],
    [`"":1e400`, "event"],
  ];
  for (const [sent, field] of fields) {
    const text = `{"user_id":"${newId()}","event_type":"a","app_source":"cv",${sent}}`;
    const { results } = await publishText(database, text);
    expect(results[0]!.error?.issues, sent).toEqual([
      { field, message: "holds a number beyond the range of a double" },
    ]);
  }
});

test("what is not an event at all is refused whole, with a code", async () => {
  await expect(publishText(database, "[]")).rejects.toThrow(postgres.PostgresError);
  await expect(publishText(database, `{"events":[]}`)).rejects.toMatchObject({
    detail: "no_events",
  });
});
