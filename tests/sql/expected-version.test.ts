import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../shared/platform/database.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { type Event, event, publish, publishText } from "../support/flywheel.ts";

let base: TestDatabase;
let database: Database;

beforeAll(async () => {
  base = await testDatabase();
  database = base.connect();
});
afterAll(() => base[Symbol.asyncDispose]());

const newId = () => crypto.randomUUID();
const numbered = (user: string, ...numbers: number[]) =>
  numbers.map((n) => event(user, { payload: { n } }));

async function versionOf(user: string): Promise<number> {
  const [row] = await base.admin`
    select coalesce(max(version), 0)::int as version from public.phoenix_events where user_id = ${user}
  `;
  return row!.version;
}

test("a publication that expects the stream's version is taken", async () => {
  const user = newId();
  await publish(database, numbered(user, 1, 2), { expected_version: 0 });
  const { accepted } = await publish(database, numbered(user, 3), { expected_version: 2 });
  expect(accepted).toBe(1);
  expect(await versionOf(user)).toBe(3);
});

test("one that expects another version is refused whole, and is told the actual one", async () => {
  const user = newId();
  await publish(database, numbered(user, 1, 2));
  await expect(publish(database, numbered(user, 3, 4), { expected_version: 1 })).rejects
    .toMatchObject({
      code: "PT409",
      detail: "wrong_expected_version",
      message: "The stream is at version 2, not 1.",
    });
  expect(await versionOf(user)).toBe(2);
  const later = await publish(database, numbered(user, 3));
  expect(later.accepted, "nothing of the refused one is remembered").toBe(1);
});

test("of publishers who expect the same version at the same moment, exactly one is taken, round after round", async () => {
  const user = newId();
  const publishers = Array.from({ length: 8 }, () => base.connect());
  for (let version = 0; version < 20; version++) {
    const outcomes = await Promise.allSettled(
      publishers.map((publisher, index) =>
        publish(publisher, [event(user, { payload: { version, index } })], {
          expected_version: version,
        })
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") {
        expect(outcome.reason).toMatchObject({ code: "PT409", detail: "wrong_expected_version" });
      }
    }
  }
  expect(await versionOf(user)).toBe(20);
});

test("a publisher who did not hear the answer may repeat the call: it is answered as a duplicate", async () => {
  const user = newId();
  const sent = [event(user, { event_id: newId() })];
  await publish(database, sent, { expected_version: 0 });
  const again = await publish(database, sent, { expected_version: 0 });
  expect(again).toMatchObject({ accepted: 0, duplicates: 1 });
});

test("with an expected version all events are taken or none, and the one that is refused is named", async () => {
  const user = newId();
  const event_id = newId();
  await publish(database, event(user, { event_id, payload: { n: 1 } }));
  const wrong: [Event, string][] = [
    [
      event(user, { timestamp: "yesterday" }),
      "events[1].timestamp must be an ISO 8601 date and time",
    ],
    [
      event(user, { event_id, payload: { n: 9 } }),
      "events[1].event_id stands for an event with another content",
    ],
  ];
  for (const [one, reason] of wrong) {
    await expect(
      publish(database, [event(user, { payload: { n: 2 } }), one], { expected_version: 1 }),
    )
      .rejects.toMatchObject({
        code: "PT422",
        detail: "invalid_events",
        message: `With expected_version all events are taken or none: ${reason}.`,
      });
    expect(await versionOf(user)).toBe(1);
    const alone = await publish(database, [one], { expected_version: 1 });
    expect(alone, "by itself it is answered as without").toMatchObject({
      accepted: 0,
      rejected: 1,
    });
  }
});

test("nor is a repetition taken beside what is refused, whatever version is expected, and no id is kept of it", async () => {
  const user = newId();
  const [event_id, other] = [newId(), newId()];
  const known = event(user, { event_id, timestamp: "2026-01-01T10:00:00.000Z" });
  await publish(database, known);
  const again = { ...known, event_id: other };
  const wrong: [Event, string][] = [
    [event(user, { timestamp: "yesterday" }), "timestamp must be an ISO 8601 date and time"],
    [{ ...known, payload: { n: 9 } }, "event_id stands for an event with another content"],
  ];
  for (const [one, reason] of wrong) {
    for (const expected_version of [1, 7]) {
      await expect(publish(database, [again, one], { expected_version })).rejects.toMatchObject({
        code: "PT422",
        detail: "invalid_events",
        message: `With expected_version all events are taken or none: events[1].${reason}.`,
      });
    }
  }
  const { accepted } = await publish(database, event(user, { event_id: other }));
  expect(accepted, "the id stands for nothing yet").toBe(1);
});

test("an expected version that is null counts as none, and a misspelt one is refused", async () => {
  const user = newId();
  await publish(database, numbered(user, 1), { expected_version: null });
  await publish(database, numbered(user, 2), { expected_version: null });
  await expect(publish(database, numbered(user, 3), { expected_versions: 0 })).rejects
    .toMatchObject({ code: "PT400", detail: "invalid_body" });
  expect(await versionOf(user)).toBe(2);
});

test("an expected version may be written as any number is", async () => {
  const user = newId();
  const body = JSON.stringify({ events: [event(user)], expected_version: 0 });
  const { accepted } = await publishText(database, body.replace(/0}$/, "0.0}"));
  expect(accepted).toBe(1);
});

test("a text in a list of events is refused as an event, whatever it says", async () => {
  const events = JSON.stringify([event(newId()), event(newId()), "expected_version"]);
  const [row] = await database`select flywheel.publish(${events}) as publication`;
  expect(row!.publication).toMatchObject({ accepted: 2, rejected: 1 });
});

test.each([
  ["for events of several users", () => [event(newId()), event(newId())], 0],
  ["that is a text", () => [event(newId())], "one"],
  ["that is half a number", () => [event(newId())], 0.5],
])("an expected version %s is refused", async (_, events, expected_version) => {
  await expect(publish(database, events(), { expected_version })).rejects.toMatchObject({
    code: "PT400",
    detail: "invalid_expected_version",
  });
});
