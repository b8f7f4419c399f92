import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { connect } from "../../shared/platform/database.ts";
import { readEnv } from "../../shared/platform/env.ts";
import { checkHealth } from "../../shared/platform/health.ts";
import { eventually } from "../support/eventually.ts";
import { functionsOf, refusalOf } from "../support/functions.ts";
import { type OwnStack, ownStack } from "../support/own-stack.ts";
import { describeWithRedis } from "../support/redis.ts";
import { testStack, type TestUser } from "../support/stack.ts";

const check = z.strictObject({
  status: z.enum(["up", "down", "absent"]),
  latency_ms: z.int().min(0),
});
const healthSchema = z.strictObject({
  status: z.enum(["healthy", "degraded", "unhealthy"]),
  timestamp: z.iso.datetime(),
  checks: z.strictObject({ database: check, redis: check, qstash: check }),
});

let stack: OwnStack;
let user: TestUser;

beforeAll(async () => {
  stack = await ownStack();
  user = await stack.signUp();
});

afterAll(() => stack?.[Symbol.asyncDispose]());

async function health(env = stack.env) {
  const answer = await functionsOf(env)("GET", "health");
  const { status, checks } = healthSchema.parse(answer.body);
  return {
    code: answer.status,
    status,
    database: checks.database.status,
    redis: checks.redis.status,
    qstash: checks.qstash.status,
  };
}

const redis = () => stack.stack.has("redis") ? "up" : "absent";

/** Asks until health is like this: on a machine that stands still a part may take longer than health waits for it. */
const healthIs = (expected: Record<string, unknown>, env = stack.env) =>
  eventually(async () => {
    const told = await health(env);
    expect(told).toMatchObject(expected);
    return told;
  });
const healthy = (env = stack.env) => healthIs({ code: 200, status: "healthy" }, env);

test("Health tells anybody that every part serves", async () => {
  expect(await healthy()).toEqual({
    code: 200,
    status: "healthy",
    database: "up",
    redis: redis(),
    qstash: "up",
  });
});

test("Health is healthy where Redis is not set up", async () => {
  await using bare = await ownStack({ without: ["redis", "redis-server"] });
  expect(await healthy(bare.env)).toMatchObject({ redis: "absent" });
});

test("Health is degraded without QStash, and recovers", async () => {
  const qstash = stack.stack.service("qstash");
  await qstash.stop();
  await healthIs({ code: 200, status: "degraded", qstash: "down" });
  await qstash.start();
  expect(await healthy()).toMatchObject({ qstash: "up" });
});

describeWithRedis("Health, where there is Redis,", () => {
  test("is degraded without it, and recovers", async () => {
    const server = stack.stack.service("redis-server");
    await server.stop();
    await healthIs({ code: 200, status: "degraded", redis: "down" });
    await server.start();
    await healthy();
  });
});

test("Without the database health is unhealthy, calls say that it is away, and both recover", async () => {
  const postgres = stack.stack.service("postgres");
  const call = functionsOf(stack.env);
  const event = { event_type: "user.login", app_source: "website" };
  await postgres.stop();
  expect(await health()).toMatchObject({ code: 503, status: "unhealthy", database: "down" });
  for (
    const answer of [
      await call("POST", "events", { as: user, json: event }),
      await call("GET", "nudges", { as: user }),
    ]
  ) {
    expect(refusalOf(answer)).toMatchObject({ status: 503, code: "database_unavailable" });
  }
  await postgres.start();
  await healthy();
  const answer = await call("POST", "events", { as: user, json: event });
  expect(answer.status).toBe(202);
});

test("The shared stack is healthy too", async () => {
  await eventually(async () => (await health(testStack().env)).code === 200);
});

test("Health calls a part that never answers down, and does not wait for it", async () => {
  const silent = Promise.withResolvers<Response>();
  await using qstash = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => silent.promise,
  );
  const env = readEnv({
    SUPABASE_URL: stack.env.API_URL,
    SUPABASE_DB_URL: stack.env.DB_URL,
    QSTASH_URL: `http://127.0.0.1:${qstash.addr.port}`,
    QSTASH_TOKEN: "a token",
  });
  const database = connect(env.SUPABASE_DB_URL);
  try {
    await eventually(async () => {
      const { status, checks } = await checkHealth({ env, database, redis: undefined });
      expect(status).toBe("degraded");
      expect(checks).toMatchObject({
        database: { status: "up" },
        redis: { status: "absent", latency_ms: 0 },
        qstash: { status: "down" },
      });
      return true;
    });
  } finally {
    // Only now, so that the server can close.
    silent.resolve(Response.json([]));
    await database.end();
  }
});
