import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { functionsOf, publicationOf, publicationSchema, refusalOf } from "../support/functions.ts";
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

describe("POST events", () => {
  test("stores a user's event with everything its publisher said", async () => {
    const event = {
      event_type: "cv.generated",
      app_source: "cv",
      payload: { template_name: "Moderne", ats_score: 87.5, skills: { free: ["kept"] } },
      event_id: crypto.randomUUID(),
      timestamp: "2026-01-02T03:04:05.678+02:00",
      correlation_id: "visit-1",
      causation_id: "click-1",
      session_id: "session-1",
      metadata: { version: "1.2.3" },
    };
    const answer = await publish(event);
    expect(answer.status).toBe(202);
    expect(answer.body).toEqual({
      accepted: 1,
      duplicates: 0,
      rejected: 0,
      results: [{ event_id: event.event_id, status: "accepted" }],
    });
    expect(await stored(event.event_id)).toMatchObject({
      ...event,
      user_id: user.user_id,
      timestamp: new Date("2026-01-02T01:04:05.678Z"),
      ai_processing_error: null,
    });
  });

  test("with a secret key is the server's, whoever's session comes with it", async () => {
    const other = await stack.signUp();
    const answer = await call("POST", "events", {
      as: user,
      headers: { apikey: stack.env.SECRET_KEY },
      json: { event_type: "user.login", app_source: "website", user_id: other.user_id },
    });
    const { results: [result] } = publicationOf(answer);
    expect(await stored(result!.event_id)).toMatchObject({ user_id: other.user_id });
  });

  test("gives an event an id and the time of its receipt where the publisher gave none", async () => {
    const { event_id } = await publishOne({ event_type: "user.login", app_source: "website" });
    const event = await stored(event_id);
    expect(event).toMatchObject({
      payload: {},
      metadata: {},
      correlation_id: null,
      causation_id: null,
      session_id: null,
    });
    expect(event!.timestamp).toEqual(event!.received_at);
    expect(Math.abs(Date.now() - event!.received_at.getTime())).toBeLessThan(60_000);
  });

  test("answers a batch in the order sent and numbers it in that order", async () => {
    const publisher = await stack.signUp();
    const events = Array.from({ length: 40 }, (_, index) => ({
      event_type: "page.read",
      app_source: "website",
      event_id: crypto.randomUUID(),
      payload: { index },
    }));
    const { accepted, results } = publicationOf(await publish({ events }, publisher));
    expect(accepted).toBe(40);
    expect(results.map(({ event_id }) => event_id)).toEqual(events.map((event) => event.event_id));
    const rows = await sql`
      select version::int, event_id from public.phoenix_events
      where user_id = ${publisher.user_id} order by version`;
    expect(rows.map(({ version }) => version)).toEqual(events.map((_, index) => index + 1));
    expect(rows.map(({ event_id }) => event_id)).toEqual(events.map((event) => event.event_id));
  });

  test("takes what is right of a batch and says field by field what is wrong with the rest", async () => {
    const app_source = "rise";
    const answer = await publish({
      events: [
        { event_type: "mood.logged", app_source, payload: { mood_score: 11 } },
        { event_type: "mood.logged", app_source, payload: { mood_score: 7 } },
        { event_type: "no name", app_source: "Not a slug", payload: [], metadata: 1 },
        "not an event",
        { event_type: "goal.set", app_source, whatever: true },
        { event_type: "goal.set", app_source, timestamp: "yesterday", event_id: "1" },
      ],
    });
    const { results, ...counts } = publicationOf(answer);
    expect(counts).toEqual({ accepted: 1, duplicates: 0, rejected: 5 });
    expect(results.map(({ status }) => status)).toEqual([
      "rejected",
      "accepted",
      "rejected",
      "rejected",
      "rejected",
      "rejected",
    ]);
    const fields = results.map(({ error }) => error?.issues?.map(({ field }) => field));
    expect(fields).toEqual([
      ["payload.mood_score"],
      undefined,
      ["event_type", "app_source", "payload", "metadata"],
      ["event"],
      ["whatever"],
      ["event_id", "timestamp"],
    ]);
    expect(results[0]!.error).toEqual({
      code: "invalid_event",
      message: "The event was refused.",
      issues: [{ field: "payload.mood_score", message: "must be a number from 1 to 10" }],
    });
  });

  test("answers 422 where nothing of a batch is right, with each event's place", async () => {
    const answer = await publish({
      events: [
        { event_type: "mood.logged", app_source: "rise", payload: { mood_score: 0 } },
        { app_source: "rise" },
      ],
    });
    const refusal = refusalOf(answer);
    expect(refusal).toMatchObject({ status: 422, code: "invalid_events" });
    expect(refusal.issues?.map(({ field }) => field)).toEqual([
      "events[0].payload.mood_score",
      "events[1].event_type",
    ]);
    expect(answer.body).toMatchObject({ accepted: 0, duplicates: 0, rejected: 2 });
  });

  test("gathers a batch's first hundred faults, of which each event has its own", async () => {
    const answer = await publish({ events: Array(101).fill({ event_type: "goal.set" }) });
    const { issues } = refusalOf(answer);
    expect(issues).toHaveLength(100);
    expect(issues!.at(-1)!.field).toBe("events[99].app_source");
    expect(answer.body).toMatchObject({ rejected: 101 });
  });

  test("names a lone event's fields without a place", async () => {
    const answer = await publish({ event_type: "goal.set" });
    expect(refusalOf(answer)).toMatchObject({
      status: 422,
      issues: [{ field: "app_source", message: "is required and must be text" }],
    });
  });

  test("takes 500 events of 1 MiB together, to the byte", async () => {
    const publisher = await stack.signUp();
    const batch = (text: string) =>
      JSON.stringify({
        events: Array.from({ length: 500 }, (_, index) => ({
          event_type: "page.read",
          app_source: "website",
          payload: { index, list: [1, 2, 3], text: index === 0 ? text : "x".repeat(1900) },
        })),
      });
    const body = batch("x".repeat(1_048_576 - batch("").length));
    expect(body).toHaveLength(1_048_576);
    const answer = await call("POST", "events", { as: publisher, body });
    expect(publicationOf(answer).accepted).toBe(500);
  });

  test.each([
    ["one event", "", ""],
    ["a list", "[", "]"],
    ["events", `{"events":[`, "]}"],
  ])("takes 1 MiB to the byte as %s, however much of it is punctuation", async (_, head, tail) => {
    const publisher = await stack.signUp();
    const event = (list: string) =>
      `${head}{"event_type":"page.read","app_source":"website","payload":{"list":[${list}]}}${tail}`;
    const room = 1_048_576 - event("").length;
    const body = event(`${"1,".repeat(room / 2 - 1)}${room % 2 ? "123" : "12"}`);
    expect(body).toHaveLength(1_048_576);
    const answer = await call("POST", "events", { as: publisher, body });
    expect(publicationOf(answer).accepted).toBe(1);
  });

  test.each([["1e16", 70_000], ["1e-12", 100_000], ["100", 200_000]])(
    "takes numbers such as %s by what is sent, by REST too",
    async (number, count) => {
      const publisher = await stack.signUp();
      const event = (text: string) =>
        `{"event_type":"page.read","app_source":"website","payload":{"${text}":[${
          Array(count).fill(number)
        }]}}`;
      const answer = await call("POST", "events", { as: publisher, body: event("a") });
      expect(publicationOf(answer).accepted).toBe(1);
      const { status } = await fetch(`${stack.env.API_URL}/rest/v1/rpc/publish_events`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          apikey: stack.env.PUBLISHABLE_KEY,
          authorization: `Bearer ${publisher.accessToken}`,
        },
        body: `{"events":${event("b")}}`,
      });
      expect(status).toBe(200);
    },
  );

  test("reads a field that is null as one that is left out", async () => {
    const event = { event_type: "page.read", app_source: "website" };
    for (
      const body of [
        { ...event, payload: { n: 1 }, events: null, expected_version: null },
        { events: [{ ...event, payload: { n: 2 } }], expected_version: null, more: null },
        { events: [{ ...event, payload: { n: 3 }, session_id: null, more: null }] },
        [{ ...event, payload: { n: 4 }, timestamp: new Date().toISOString(), more: null }],
      ]
    ) {
      expect(publicationOf(await publish(body)).accepted, JSON.stringify(body)).toBe(1);
      const { data, error } = await stack.service().rpc("publish_events", {
        events: JSON.parse(
          JSON.stringify(body).replaceAll(
            '"event_type"',
            `"user_id":"${crypto.randomUUID()}","event_type"`,
          ),
        ),
      });
      expect(error).toBeNull();
      expect(data).toMatchObject({ accepted: 1 });
    }
  });

  test("counts what a user publishes against their limit, and not what a backend publishes for them", async () => {
    const publisher = await stack.signUp();
    const remaining = async (as: TestUser | "secret") => {
      const json = { user_id: publisher.user_id, event_type: "page.read", app_source: "website" };
      const { status, headers } = await call("POST", "events", { as, json });
      expect(status).toBe(202);
      return headers.get("x-ratelimit-remaining");
    };
    expect(await remaining(publisher)).toBe("5999");
    expect(await remaining("secret")).toBeNull();
  });

  test("takes an event from unmodified functions-js", async () => {
    const { data, error } = await user.client.functions.invoke("events", {
      body: {
        event_type: "cv.uploaded",
        app_source: "phoenix_cv",
        payload: { cv_id: "functions-js" },
      },
    });
    expect(error).toBeNull();
    expect(publicationSchema.parse(data).accepted).toBe(1);
  });

  test("with a secret key takes the events of several users, who are named", async () => {
    const others = [crypto.randomUUID(), crypto.randomUUID()];
    const events = [...others, ...others].map((user_id, index) => ({
      event_type: "user.login",
      app_source: "website",
      payload: { index },
      user_id,
    }));
    const { results } = publicationOf(await publish({ events }, "secret"));
    const rows = await Promise.all(results.map(({ event_id }) => stored(event_id)));
    expect(rows.map((row) => [row!.user_id, Number(row!.version)])).toEqual([
      [others[0], 1],
      [others[1], 1],
      [others[0], 2],
      [others[1], 2],
    ]);
  });

  test("lets a user name themself", async () => {
    const event = {
      event_type: "user.login",
      app_source: "website",
      user_id: user.user_id.toUpperCase(),
      payload: { me: true },
    };
    expect((await publishOne(event)).status).toBe("accepted");
  });
});
