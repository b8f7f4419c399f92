import { Redis } from "@upstash/redis";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createApp } from "../../shared/platform/http/app.ts";
import { withinLimit } from "../../shared/platform/http/within-limit.ts";
import { createRateLimiter, type RateLimitRule } from "../../shared/platform/rate-limit.ts";
import { redisFromEnv } from "../../shared/platform/redis.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../support/redis.ts";

const minute = 60_000;
const day = 86_400_000;

/** A rule that no other test counts by. */
function newRule(limit: number, windowMs: number): RateLimitRule {
  return { name: crypto.randomUUID(), limit, windowMs };
}

afterEach(() => void vi.useRealTimers());

describe("a rate limit counted in memory", () => {
  let now = 0;
  const limiterOf = (limit: number, windowMs: number, capacity = 10) => {
    now = 0;
    return createRateLimiter(undefined, newRule(limit, windowMs), { now: () => now, capacity });
  };

  test("allows the limit at once and then refuses, whoever else attempts", async () => {
    const limiter = limiterOf(3, minute);
    const decisions = [];
    for (let i = 0; i < 5; i++) decisions.push(await limiter("someone"));
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false]);
    expect(decisions.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0, 0]);
    expect((await limiter("someone else")).remaining).toBe(2);
  });

  test("allows something again at resetAt, and not before", async () => {
    const limiter = limiterOf(4, minute);
    let decision = await limiter("someone");
    while (decision.allowed) decision = await limiter("someone");
    now = decision.resetAt - 1;
    expect((await limiter("someone")).allowed).toBe(false);
    now = decision.resetAt;
    expect((await limiter("someone")).allowed).toBe(true);
  });

  test("refills evenly", async () => {
    const limiter = limiterOf(100, minute);
    for (let i = 0; i < 100; i++) await limiter("someone");
    expect((await limiter("someone")).resetAt).toBe(600);
    now = 6_000;
    expect((await limiter("someone")).remaining).toBe(9);
  });

  test("takes nothing from anybody when the clock is set back", async () => {
    const limiter = limiterOf(2, minute);
    now = 10 * minute;
    await limiter("someone");
    now = 0;
    expect(await limiter("someone")).toMatchObject({ allowed: true, remaining: 0 });
    const refused = await limiter("someone");
    expect(refused).toMatchObject({ allowed: false, resetAt: minute / 2 });
    now = refused.resetAt;
    expect(await limiter("someone")).toMatchObject({ allowed: true });
  });

  test("forgets who attempted longest ago where it has no more room", async () => {
    const limiter = limiterOf(1, minute, 2);
    for (const who of ["a", "b", "c"]) await limiter(who);
    expect((await limiter("c")).allowed).toBe(false);
    expect((await limiter("a")).allowed).toBe(true);
  });
});

test("a call beyond the limit is told so, and when to come again", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const limiter = createRateLimiter(undefined, newRule(2, minute));
  const app = createApp("limited");
  app.get("/", async (context) => {
    await withinLimit(context, limiter, "someone");
    return context.text("done");
  });
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await app.request("/limited"));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  expect(answers.map(({ headers }) => headers.get("x-ratelimit-remaining"))).toEqual([
    "1",
    "0",
    "0",
  ]);
  const [, , refused] = answers;
  expect(refused!.headers.get("retry-after")).toBe("30");
  expect(await refused!.json()).toMatchObject({ error: { code: "too_many_requests" } });
});

test("who is refused is never told to come again at once", async () => {
  const app = createApp("limited");
  app.get("/", async (context) => {
    const resetAt = Date.now() - 5_000;
    await withinLimit(
      context,
      () => Promise.resolve({ allowed: false, remaining: 0, resetAt }),
      "someone",
    );
    return context.text("done");
  });
  expect((await app.request("/limited")).headers.get("retry-after")).toBe("1");
});

describeWithRedis("a rate limit counted in Redis", () => {
  let upstash: TestUpstash;
  let direct: Redis;
  const connect = () =>
    redisFromEnv({
      UPSTASH_REDIS_REST_URL: upstash.url,
      UPSTASH_REDIS_REST_TOKEN: upstash.token,
    }, { retryAfterMs: 1, timeoutMs: 20_000 });
  /** A log for limiters that must not have to count in memory. */
  const redisOnly = (_level: string, message: string): never => {
    throw new Error(message);
  };

  beforeAll(async () => {
    upstash = await startUpstash();
    direct = new Redis({ url: upstash.url, token: upstash.token });
  });
  afterAll(() => upstash?.stop());

  test("decides in memory as it does in Redis", async () => {
    // Both read the same pretended clock; Redis's own only lets keys expire, long after this test.
    vi.useFakeTimers({ toFake: ["Date"] });
    const windowMs = 3_600_000;
    const steps = fc.array(
      fc.record({
        wait: fc.oneof(fc.constant(0), fc.nat(windowMs / 4), fc.nat(windowMs * 3)),
        who: fc.constantFrom("a", "b"),
      }),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 6 }), steps, async (limit, steps) => {
        const rule = newRule(limit, windowMs);
        const inRedis = createRateLimiter(connect(), rule, { log: redisOnly });
        const inMemory = createRateLimiter(undefined, rule);
        for (const { wait, who } of steps) {
          vi.setSystemTime(Date.now() + wait);
          expect(await inMemory(who)).toEqual(await inRedis(who));
        }
      }),
      { numRuns: 25 },
    );
  });

  test("is one limit for all instances, and holds under a rush", async () => {
    const rule = newRule(10, day);
    const instances = [1, 2, 3].map(() => createRateLimiter(connect(), rule));
    const rush = instances.flatMap((limiter) =>
      Array.from({ length: 10 }, () => limiter("someone"))
    );
    expect((await Promise.all(rush)).filter(({ allowed }) => allowed)).toHaveLength(10);
  });

  test("keeps no identifier, only a hash", async () => {
    await direct.flushall();
    await createRateLimiter(connect(), { ...newRule(1, day), name: "private" })("zoe@example.org");
    expect(await direct.keys("*")).toEqual([
      expect.stringMatching(/^phoenix:limit:private:[0-9a-f]{32}$/),
    ]);
  });

  test("goes on in memory while Redis is away, and returns to Redis", async () => {
    const limiter = createRateLimiter(connect(), newRule(5, day));
    const attempt = () => limiter("someone");
    expect((await attempt()).remaining).toBe(4);
    expect((await attempt()).remaining).toBe(3);
    await upstash.redis.kill();
    const meanwhile = [];
    for (let i = 0; i < 6; i++) meanwhile.push((await attempt()).allowed);
    expect(meanwhile).toEqual([true, true, true, true, true, false]);
    await upstash.redis.restart();
    // Redis remembers the two of before, so that it allows some more.
    await expect.poll(async () => (await attempt()).allowed, { timeout: 60_000 }).toBe(true);
  });
});
