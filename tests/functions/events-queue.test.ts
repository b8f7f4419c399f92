import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Call, functionsOf, publicationOf, refusalOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import { doorbellSignature, qstashSignature } from "../support/signatures.ts";
import type { TestUser } from "../support/stack.ts";

const statusSchema = z.strictObject({
  status: z.enum(["idle", "processing", "backlogged"]),
  pending_events: z.int(),
  pending_users: z.int(),
  leased_users: z.int(),
  oldest_pending_seconds: z.number().min(0),
  dead_letters: z.int(),
  failed_deliveries: z.int(),
  processed_total: z.int(),
});
const processedSchema = z.strictObject({
  processed: z.int(),
  users: z.int(),
  nudges: z.int(),
  transitions: z.int(),
  failed: z.int(),
  remaining: z.int(),
  duration_ms: z.int().min(0),
});
const reprocessedSchema = z.strictObject({ users: z.int(), events: z.int() });

// Without the worker that rings the doorbell: nothing is handled but by the calls of this file.
let stack: OwnStack;
let users: TestUser[];

beforeAll(async () => {
  stack = await ownStack({ without: ["net", "qstash"] });
  users = await Promise.all([stack.signUp(), stack.signUp()]);
});

afterAll(() => stack?.[Symbol.asyncDispose]());

const call = (method: string, path: string, options: Call = { as: "secret" }) =>
  functionsOf(stack.env)(method, path, options);

async function read<T>(schema: z.ZodType<T>, method: string, path: string, options?: Call) {
  const answer = await call(method, path, options);
  expect(answer.status, answer.text).toBe(200);
  return schema.parse(answer.body);
}

const status = () => read(statusSchema, "GET", "events/queue-status");
const work = (options?: Call) => read(processedSchema, "POST", "events/process-queue", options);
const reprocess = (options: Call) =>
  read(reprocessedSchema, "POST", "events/force-reprocess", options);

async function publish(user: TestUser, ...events: Record<string, unknown>[]): Promise<void> {
  const answer = await call("POST", "events", { as: user, json: { events } });
  expect(publicationOf(answer).accepted).toBe(events.length);
}

const letter = (n: number) => ({
  event_type: "letter.generated",
  app_source: "letters",
  payload: { letter_id: n },
});

describe("The queue, in the order of these sentences,", () => {
  test("is idle before anything was published, and there is nothing to do", async () => {
    expect(await status()).toEqual({
      status: "idle",
      pending_events: 0,
      pending_users: 0,
      leased_users: 0,
      oldest_pending_seconds: 0,
      dead_letters: 0,
      failed_deliveries: 0,
      processed_total: 0,
    });
    expect(await work()).toMatchObject({
      processed: 0,
      users: 0,
      nudges: 0,
      transitions: 0,
      failed: 0,
      remaining: 0,
    });
  });

  test("is backlogged once events wait and nobody works", async () => {
    await publish(users[0]!, letter(1), letter(2));
    await publish(users[1]!, letter(1));
    const backlogged = await status();
    expect(backlogged).toMatchObject({
      status: "backlogged",
      pending_events: 3,
      pending_users: 2,
      leased_users: 0,
      processed_total: 0,
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await status()).oldest_pending_seconds)
      .toBeGreaterThan(backlogged.oldest_pending_seconds);
  });

  test("is processing while a worker holds a lease", async () => {
    const sql = stack.adminSql({ max: 1 });
    try {
      await sql.begin(async (work) => {
        await work`select flywheel.enter()`;
        await work`select flywheel.lease('nobody''s shape')`;
      });
      expect(await status()).toMatchObject({ status: "processing", leased_users: 2 });
      await sql`update flywheel.worker_slots set expires_at = '-infinity'`;
      await sql`
        update flywheel.streams
        set available_at = clock_timestamp(), lease_token = null, attempts = 0
        where lease_token is not null`;
    } finally {
      await sql.end();
    }
  });

  test("is handled by process-queue, which says what it did", async () => {
    expect(await work()).toMatchObject({
      processed: 3,
      users: 2,
      nudges: 3,
      transitions: 0,
      failed: 0,
      remaining: 0,
    });
    expect(await status()).toMatchObject({
      status: "idle",
      pending_events: 0,
      oldest_pending_seconds: 0,
      processed_total: 3,
    });
  });

  test("sets aside what the catalogue refuses, and the user goes on", async () => {
    const [user] = users;
    const { error } = await user!.client.rpc("publish_events", {
      events: {
        events: [
          { event_type: "mood.logged", app_source: "website", payload: { mood_score: 99 } },
          { event_type: "mood.logged", app_source: "website", payload: { mood_score: 9 } },
        ],
      },
    });
    expect(error).toBeNull();
    expect(await work()).toMatchObject({ processed: 2, users: 1, failed: 1, remaining: 0 });
    expect(await status()).toMatchObject({ status: "idle", dead_letters: 1 });
    const { data } = await user!.client.from("phoenix_events")
      .select("payload,ai_processing_error").order("version").gte("version", 3);
    expect(data).toEqual([
      {
        payload: { mood_score: 99 },
        ai_processing_error: "refused: payload.mood_score must be a number from 1 to 10",
      },
      { payload: { mood_score: 9 }, ai_processing_error: null },
    ]);
  });

  test("is worked off without a look at the log where nothing is due: dead letters may be many", async () => {
    const sql = stack.adminSql({ max: 1 });
    try {
      await sql.begin(async (other) => {
        await other`lock table public.phoenix_events in access exclusive mode`;
        expect(await work()).toMatchObject({ processed: 0, remaining: 0 });
      });
    } finally {
      await sql.end();
    }
  });

  test("is rewound by force-reprocess for one user, and no effect is written twice", async () => {
    expect(await reprocess({ as: "secret", json: { user_id: users[1]!.user_id } })).toEqual({
      users: 1,
      events: 1,
    });
    expect(await status()).toMatchObject({ status: "backlogged", pending_events: 1 });
    expect(await work()).toMatchObject({ processed: 1, users: 1, nudges: 0 });
  });

  test("is rewound for those who have dead letters", async () => {
    expect(await reprocess({ as: "secret", json: { only_failed: true } })).toEqual({
      users: 1,
      events: 4,
    });
    expect(await work()).toMatchObject({ processed: 4, users: 1, nudges: 0, failed: 1 });
    expect(await status()).toMatchObject({ dead_letters: 1 });
  });

  test("is rewound for those with events since a time, or for all", async () => {
    const in_an_hour = new Date(Date.now() + 3_600_000).toISOString();
    const an_hour_ago = new Date(Date.now() - 3_600_000).toISOString();
    expect(await reprocess({ as: "secret", json: { since: in_an_hour } })).toEqual({
      users: 0,
      events: 0,
    });
    expect(await reprocess({ as: "secret", json: { since: an_hour_ago } })).toEqual({
      users: 2,
      events: 5,
    });
    expect(await reprocess({ as: "secret", json: {} })).toEqual({ users: 2, events: 5 });
    expect(await work()).toMatchObject({ processed: 5, users: 2, nudges: 0, remaining: 0 });
  });

  test("is rewound for nobody more once the replays under way are stopped", async () => {
    const sql = stack.adminSql({ max: 1 });
    try {
      await sql`update flywheel.settings set replay_users = 1`;
      await reprocess({ as: "secret", json: {} });
      const stop = () => call("DELETE", "events/force-reprocess");
      expect(await stop()).toMatchObject({ status: 200, body: { stopped: 1 } });
      expect(await stop()).toMatchObject({ status: 200, body: { stopped: 0 } });
      expect(await work()).toMatchObject({ users: 1, remaining: 0 });
    } finally {
      await sql`update flywheel.settings set replay_users = default`;
      await sql.end();
    }
  });
});

describe("What works on the queue", () => {
  const url = () => `${stack.env.FUNCTIONS_URL}/events/process-queue`;

  test("may be the database's doorbell, by its signature", async () => {
    const body = JSON.stringify({ ring_id: crypto.randomUUID() });
    const signature = doorbellSignature(stack.env.DOORBELL_SECRET, body);
    await work({ body, headers: { "x-phoenix-signature": signature } });
  });

  test.each(["QSTASH_CURRENT_SIGNING_KEY", "QSTASH_NEXT_SIGNING_KEY"] as const)(
    "may be QStash, by the signature with %s",
    async (key) => {
      const signature = await qstashSignature(stack.env[key], { url: url(), body: "" });
      await work({ headers: { "upstash-signature": signature } });
    },
  );

  test("may ask for a replay over QStash", async () => {
    const body = JSON.stringify({ user_id: users[1]!.user_id });
    const signature = await qstashSignature(stack.env.QSTASH_CURRENT_SIGNING_KEY, {
      url: `${stack.env.FUNCTIONS_URL}/events/force-reprocess`,
      body,
    });
    expect(await reprocess({ body, headers: { "upstash-signature": signature } }))
      .toEqual({ users: 1, events: 1 });
    await work();
  });

  test.each([
    ["GET", "events/queue-status"],
    ["POST", "events/process-queue"],
    ["POST", "events/force-reprocess"],
  ])("is refused to users and to anonymous callers: %s %s", async (method, path) => {
    expect(refusalOf(await call(method, path, {}))).toMatchObject({ status: 401 });
    expect(refusalOf(await call(method, path, { as: users[0]! }))).toMatchObject({
      status: 403,
      code: "forbidden",
    });
  });

  test.each([
    [{ user: "me" }, "body"],
    [{ user_id: "me" }, "user_id"],
    [{ since: "yesterday" }, "since"],
    [{ since: 5 }, "since"],
    [{ only_failed: "yes" }, "only_failed"],
    [[], "body"],
  ])("refuses to reprocess %j", async (json, field) => {
    const answer = await call("POST", "events/force-reprocess", { as: "secret", json });
    expect(refusalOf(answer)).toMatchObject({
      status: 400,
      code: "invalid_request",
      issues: [{ field }],
    });
  });
});
