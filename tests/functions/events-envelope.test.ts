import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const stack = testStack();
const call = functionsOf(stack.env);
const sql = stack.adminSql({ max: 1 });
let user: TestUser;

beforeAll(async () => {
  user = await stack.signUp();
});

afterAll(() => sql.end());

const publish = (json: unknown, as: TestUser | "secret" = user) =>
  call("POST", "events", { as, json });

async function stored(eventId: string | null) {
  const [row] = await sql`select * from public.phoenix_events where event_id = ${eventId}`;
  return row;
}

async function publishOne(event: Record<string, unknown>, as?: TestUser | "secret") {
  const { results } = publicationOf(await publish(event, as));
  expect(results).toHaveLength(1);
  return results[0]!;
}

describe("An envelope means the same", () => {
  test("as Aube's own, with source_app, data and partition_key", async () => {
    const data = { métier: "Data Scientist", score_compatibilité: 0.87, score_ia_résistance: 0.72 };
    const timestamp = "2025-01-15T14:30:00Z";
    const aubes = {
      event_id: crypto.randomUUID(),
      user_id: user.user_id,
      event_type: "métier_choisi",
      timestamp,
      source_app: "phoenix_aube",
      data,
      partition_key: user.user_id,
    };
    expect(await publishOne(aubes)).toEqual({ event_id: aubes.event_id, status: "accepted" });
    expect(await stored(aubes.event_id)).toMatchObject({ app_source: "aube", payload: data });
    const ours = { event_type: "métier_choisi", app_source: "aube", payload: data, timestamp };
    expect(await publishOne(ours)).toEqual({ event_id: aubes.event_id, status: "duplicate" });
  });

  test("with null for what it does not say, as Python apps write it", async () => {
    const event = { event_type: "goal.set", app_source: "rise" };
    const first = await publishOne({
      ...event,
      payload: null,
      metadata: null,
      event_id: null,
      timestamp: null,
      user_id: null,
      correlation_id: null,
    });
    expect(await stored(first.event_id)).toMatchObject({ payload: {}, metadata: {} });
    expect(await publishOne(event)).toEqual({ event_id: first.event_id, status: "duplicate" });
  });

  test("with a value under one of two names, and null or the same under the other", async () => {
    const said = { event_type: "goal.set", payload: { goal: "two names" }, app_source: "rise" };
    const { event_id } = await publishOne(said);
    const { payload, app_source } = said;
    for (
      const names of [
        { payload: null, data: payload },
        { payload, data: null },
        { payload, data: payload },
        { app_source: null, source_app: app_source },
        { app_source, source_app: null },
        { app_source, source_app: "phoenix_rise" },
        { app_source: "phoenix_rise", source_app: app_source },
      ]
    ) {
      expect(await publishOne({ ...said, ...names })).toEqual({ event_id, status: "duplicate" });
    }
  });

  test("with and without the prefix phoenix_ of its app", async () => {
    const event = { event_type: "cv.optimized", payload: { cv_id: "prefix" } };
    const first = await publishOne({ ...event, app_source: "phoenix_cv" });
    expect((await stored(first.event_id))!.app_source).toBe("cv");
    expect(await publishOne({ ...event, app_source: "cv" }))
      .toEqual({ event_id: first.event_id, status: "duplicate" });
  });

  test("in whatever Unicode form its name, its keys and its text come", async () => {
    const event = {
      event_type: "compétences_révélées",
      app_source: "aube",
      payload: { compétences: ["créativité"], "clé à moi": { "où": "à Orléans" } },
    };
    const inForm = (form: string) => JSON.parse(JSON.stringify(event).normalize(form));
    const first = await publishOne(inForm("NFD"));
    expect(await stored(first.event_id)).toMatchObject(inForm("NFC"));
    expect(await publishOne(inForm("NFC")))
      .toEqual({ event_id: first.event_id, status: "duplicate" });
  });

  test("and is checked against the catalogue in whatever Unicode form", async () => {
    for (const form of ["NFC", "NFD"]) {
      const answer = await publish({
        event_type: "métier_choisi".normalize(form),
        app_source: "aube",
        payload: { ["métier".normalize(form)]: "" },
      });
      expect(refusalOf(answer).issues).toEqual([
        {
          field: "payload.métier".normalize("NFC"),
          message: "must be a text of 1 to 500 characters, not blank",
        },
      ]);
    }
  });

  test("with numbers to the last digit", async () => {
    const body =
      `{"event_type":"page.read","app_source":"website","payload":{"n":12345678901234567890.10}}`;
    const answer = await call("POST", "events", { as: user, body });
    const [result] = publicationOf(answer).results;
    const [row] = await sql`
      select payload ->> 'n' as n, event_hash from public.phoenix_events where event_id = ${
      result!.event_id
    }`;
    expect(row!.n).toBe("12345678901234567890.1");
  });

  test("and its fingerprint is a SHA-256 over user, type, app, payload and the publisher's time", async () => {
    const { event_id } = await publishOne({
      event_type: "user.login",
      app_source: "website",
      payload: { b: 1, a: "é" },
      timestamp: "2026-01-01T00:00:00.5Z",
    });
    const text = [user.user_id, "user.login", "website", `{"a": "é", "b": 1}`, "1767225600.500000"]
      .join("\x1f");
    expect((await stored(event_id))!.event_hash.toString("hex"))
      .toBe(createHash("sha256").update(text).digest("hex"));
  });
});

describe("A timestamp that Postgres reads, though it is not ISO 8601, is refused:", () => {
  test.each(["2024-01-01T10:00:00.1e1Z", " 024-01-01T00:00:00.000Z"])("%j", async (timestamp) => {
    const event = { event_type: "page.read", app_source: "website", timestamp };
    const issues = [{ field: "timestamp", message: "must be an ISO 8601 date and time" }];
    expect(refusalOf(await publish(event))).toMatchObject({ status: 422, issues });

    const sound = { ...event, timestamp: "2024-01-01T10:00:00.100Z", payload: { timestamp } };
    const { results } = publicationOf(await publish({ events: [sound, event] }));
    expect(results).toMatchObject([{ status: "accepted" }, {
      status: "rejected",
      error: { issues },
    }]);
  });
});

test("A timestamp is refused that lies before the year 1 in UTC, and not at its beginning", async () => {
  const at = (timestamp: string) =>
    publish({ event_type: "page.read", app_source: "website", timestamp });
  for (const timestamp of ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00.000+00:01"]) {
    expect(refusalOf(await at(timestamp))).toMatchObject({
      status: 422,
      issues: [{ field: "timestamp", message: "must not lie before the year 1 in UTC" }],
    });
  }
  expect(refusalOf(await at("0000-12-31T23:59:59.999Z"))).toMatchObject({
    status: 422,
    issues: [{ field: "timestamp" }],
  });
  expect(publicationOf(await at("0001-01-01T14:00:00+14:00"))).toMatchObject({ accepted: 1 });
  expect(publicationOf(await at("0001-01-01T00:00:00.000Z"))).toMatchObject({ duplicates: 1 });
});

test.each<[string, Record<string, unknown>, string | RegExp]>([
  ["whose name holds a sign of ours", { "score_=x": 5 }, 'payload["score_=x"]'],
  [
    "whose long name ends in half a character",
    { [`score_${"😀".repeat(120)}`]: 5 },
    /^payload\["score_(😀)+\ufffd?…$/u,
  ],
  [
    "whose long name ends in a whole character",
    { [`score_a${"😀".repeat(120)}`]: 5 },
    /^payload\["score_a(😀)+\ufffd?…$/u,
  ],
])(
  "A payload is refused for a field %s, and what came with it is taken",
  async (_, payload, field) => {
    const sound = {
      app_source: "cv",
      event_type: "cv.generated",
      payload: { id: crypto.randomUUID() },
    };
    const { results } = publicationOf(
      await publish({ events: [sound, { ...sound, payload }] }),
    );
    expect(results).toMatchObject([
      { status: "accepted" },
      {
        status: "rejected",
        error: {
          issues: [{
            field: typeof field === "string" ? field : expect.stringMatching(field),
            message: "must be a number from 0 to 1",
          }],
        },
      },
    ]);
  },
);
