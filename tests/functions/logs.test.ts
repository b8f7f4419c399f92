import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { eventually } from "../support/eventually.ts";
import { functionsOf, refusalOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import type { TestUser } from "../support/stack.ts";

const lineSchema = z.looseObject({
  timestamp: z.iso.datetime(),
  level: z.enum(["debug", "info", "warn", "error"]),
  service: z.enum(["events", "nudges", "health"]),
  message: z.string(),
});
const requestSchema = lineSchema.extend({
  message: z.literal("request"),
  request_id: z.string(),
  method: z.string(),
  route: z.string(),
  status: z.int(),
  duration_ms: z.int().min(0),
}).strict();

/** What nobody may find in a log. */
const secret = "Marguerite-Yourcenar-4711";

let stack: OwnStack;
let user: TestUser;

beforeAll(async () => {
  stack = await ownStack();
  user = await stack.signUp();
});

afterAll(() => stack?.[Symbol.asyncDispose]());

/** What the functions have logged so far. */
function logged() {
  return stack.lines.filter(({ service }) => service === "functions")
    .flatMap(({ text }) => {
      const json = /^\w+: (\{.*\})$/.exec(text)?.[1];
      return json ? [lineSchema.parse(JSON.parse(json))] : [];
    });
}

const requestLogged = (requestId: string) =>
  eventually(() =>
    Promise.resolve(
      logged().find((line) => line.message === "request" && line.request_id === requestId),
    )
  ).then((line) => requestSchema.parse(line));

describe("The functions' log", () => {
  test.each([
    ["GET", "events?event_type=secret.type", "/events", 200],
    ["POST", "events", "/events", 422],
    ["POST", `nudges/${crypto.randomUUID()}/shown`, "/nudges/:nudge_id/shown", 404],
    ["GET", "health", "/health", 200],
  ])("has a line for %s %s: its route, not its address", async (method, path, route, status) => {
    const request_id = crypto.randomUUID();
    await functionsOf(stack.env)(method, path, {
      as: user,
      json: {},
      headers: { "x-request-id": request_id },
    });
    expect(await requestLogged(request_id)).toMatchObject({ level: "info", method, route, status });
  });

  test("tells a failure's kind and place, which the caller is not told", async () => {
    const sql = stack.adminSql({ max: 1 });
    const headers = { "x-request-id": crypto.randomUUID() };
    await sql`alter table flywheel.fingerprints rename to lost`;
    try {
      const answer = await functionsOf(stack.env)("POST", "events", {
        as: user,
        json: { event_type: "user.login", app_source: "website", payload: { secret } },
        headers,
      });
      expect(refusalOf(answer)).toEqual({
        status: 500,
        code: "internal_error",
        message: "Something went wrong on our side.",
      });
    } finally {
      await sql`alter table flywheel.lost rename to fingerprints`;
      await sql.end();
    }
    await requestLogged(headers["x-request-id"]);
    expect(logged().find(({ level }) => level === "error")).toMatchObject({
      message: "request failed",
      request_id: headers["x-request-id"],
      error: "PostgresError",
      code: "42P01",
      at: expect.stringContaining("at "),
    });
  });

  test("holds nothing of what users write, nor who they are, nor a key", async () => {
    const call = functionsOf(stack.env);
    const event = {
      event_type: "letter.generated",
      app_source: "letters",
      payload: { job_title: secret, company: user.email },
      metadata: { secret },
      correlation_id: secret,
      session_id: secret,
    };
    await call("POST", "events", { as: user, json: event });
    await call("POST", "events", { as: user, json: { ...event, event_id: secret } });
    await call("POST", "events", { as: user, json: { ...event, [secret]: true } });
    await call("POST", "events", {
      as: user,
      json: { ...event, payload: { match_score: 7, [`score_${secret}`]: 9, secret } },
    });
    await call("POST", "events", { as: user, body: `{"secret":"${secret}` });
    await call("POST", "events", { as: user, body: `{"payload":{"${secret}":1e-20000}}` });
    await call("GET", `events?event_type=${secret}`, { as: user });
    await call("GET", `events/${secret}`, { as: user });
    await user.client.rpc("publish_events", {
      events: { ...event, event_type: "mood.logged", payload: { mood_score: 99, secret } },
    });
    await user.client.rpc("publish_events", { events: { ...event, event_type: secret } });
    await eventually(async () => {
      const answer = await call("GET", "events/queue-status", { as: "secret" });
      const { dead_letters, pending_events } = answer.body as Record<string, number>;
      return dead_letters === 1 && pending_events === 0;
    });
    const headers = { "x-request-id": crypto.randomUUID() };
    await call("GET", "nudges", { as: user, headers });
    await requestLogged(headers["x-request-id"]);

    const lines = stack.lines.filter(({ service }) => service !== "postgres")
      .map(({ text }) => text).join("\n");
    expect(lines).toContain(headers["x-request-id"]);
    for (
      const unwanted of [
        secret,
        user.email,
        user.accessToken,
        stack.env.SECRET_KEY,
        stack.env.DOORBELL_SECRET,
        stack.env.DB_URL,
      ]
    ) expect(lines).not.toContain(unwanted);
  });
});
