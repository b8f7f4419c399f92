import { Redis } from "@upstash/redis";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createRateLimiter } from "../../shared/platform/rate-limit.ts";
import {
  defaultRateLimits,
  type RateLimitRule,
  rateLimitsFromEnv,
} from "../../shared/platform/rate-limit-rules.ts";
import { redisFromEnv } from "../../shared/platform/redis.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../support/redis.ts";

const algorithms = ["fixedWindow", "slidingWindow", "tokenBucket"] as const;

describe("a rate limit counted in memory", () => {
  let now = 0;
  const limiterOf = (rule: RateLimitRule | undefined) => {
    now = 0;
    return createRateLimiter(undefined, { SCOPE: rule }, { now: () => now });
  };

  test.each(algorithms)("%s allows the limit at once and then refuses", async (algorithm) => {
    const limiter = limiterOf({ algorithm, limit: 3, windowMs: 60_000 });
    const decisions = [];
    for (let i = 0; i < 5; i++) decisions.push(await limiter.limit("SCOPE", "someone"));
    expect(decisions.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false]);
    expect(decisions.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0, 0]);
    expect((await limiter.limit("SCOPE", "someone else")).remaining).toBe(2);
  });

  test.each(algorithms)("%s allows something again at resetAt", async (algorithm) => {
    const limiter = limiterOf({ algorithm, limit: 4, windowMs: 60_000 });
    const attempt = () => limiter.limit("SCOPE", "someone");
    let decision = await attempt();
    while (decision.allowed) decision = await attempt();
    now = decision.resetAt - 1;
    const early = (await attempt()).allowed;
    now = decision.resetAt;
    // Of a full window before, everything still counts at the border.
    const expected = { fixedWindow: true, slidingWindow: false, tokenBucket: true }[algorithm];
    expect([early, (await attempt()).allowed]).toEqual([false, expected]);
  });

  test("a token bucket refills evenly", async () => {
    const limiter = limiterOf({ algorithm: "tokenBucket", limit: 100, windowMs: 60_000 });
    for (let i = 0; i < 100; i++) await limiter.limit("SCOPE", "someone");
    expect((await limiter.limit("SCOPE", "someone")).resetAt).toBe(600);
    now = 6_000;
    expect((await limiter.limit("SCOPE", "someone")).remaining).toBe(9);
  });

  test("a sliding window never lets more than the limit through in one window", async () => {
    const rule = { algorithm: "slidingWindow", limit: 10, windowMs: 1_000 } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(300), { maxLength: 100 }), async (waits) => {
        const limiter = limiterOf(rule);
        const allowedPerWindow = new Map<number, number>();
        for (const wait of waits) {
          now += wait;
          const { allowed } = await limiter.limit("SCOPE", "someone");
          const window = Math.floor(now / rule.windowMs);
          if (allowed) allowedPerWindow.set(window, (allowedPerWindow.get(window) ?? 0) + 1);
        }
        for (const allowed of allowedPerWindow.values()) expect(allowed).toBeLessThanOrEqual(10);
      }),
    );
  });

  test("a scope without a rule is not limited", async () => {
    const limiter = limiterOf(undefined);
    expect(await limiter.limit("SCOPE", "someone")).toMatchObject({
      allowed: true,
      limit: Infinity,
    });
  });
});

describe("rate limits from the environment", () => {
  const rulesOf = (env: Record<string, string>) => rateLimitsFromEnv(env, defaultRateLimits);

  test("are the defaults where nothing is set", () => {
    expect(rulesOf({ RATE_LIMIT_API_GENERAL: "", RATE_LIMIT_ENABLED: "true" }))
      .toEqual(defaultRateLimits);
  });

  test("change the limit and the window of a scope, lift one, or lift all", () => {
    const rules = rulesOf({ RATE_LIMIT_API_GENERAL: "300/2h", RATE_LIMIT_EVENTS_PUBLISH: "off" });
    expect(rules.API_GENERAL).toEqual({
      algorithm: "tokenBucket",
      limit: 300,
      windowMs: 7_200_000,
    });
    expect(rules.EVENTS_PUBLISH).toBeUndefined();
    expect(rules.AUTH_LOGIN).toEqual(defaultRateLimits.AUTH_LOGIN);
    expect(Object.values(rulesOf({ RATE_LIMIT_ENABLED: "false" })).filter(Boolean)).toEqual([]);
  });

  test.each(["100", "0/1m", "100/1w", "many", "-1/1s"])("refuse %s and name it", (text) => {
    expect(() => rulesOf({ RATE_LIMIT_API_GENERAL: text })).toThrow(/RATE_LIMIT_API_GENERAL/);
  });
});

describeWithRedis("a rate limit counted in Redis", () => {
  let upstash: TestUpstash;
  let direct: Redis;
  const connect = () =>
    redisFromEnv({
      UPSTASH_REDIS_REST_URL: upstash.url,
      UPSTASH_REDIS_REST_TOKEN: upstash.token,
    }, { retryAfterMs: 1, timeoutMs: 5_000 });
  /** A log for limiters that must not have to count in memory. */
  const redisOnly = (_level: string, message: string): never => {
    throw new Error(message);
  };

  beforeAll(async () => {
    upstash = await startUpstash();
    direct = new Redis({ url: upstash.url, token: upstash.token });
  });
  afterAll(() => upstash?.stop());
  afterEach(() => void vi.useRealTimers());

  test.each(algorithms)("%s decides in memory as it does in Redis", async (algorithm) => {
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
        const rules = { [crypto.randomUUID()]: { algorithm, limit, windowMs } };
        const scope = Object.keys(rules).join();
        const inRedis = createRateLimiter(connect(), rules, { log: redisOnly });
        const inMemory = createRateLimiter(undefined, rules);
        for (const { wait, who } of steps) {
          vi.setSystemTime(Date.now() + wait);
          expect(await inMemory.limit(scope, who)).toEqual(await inRedis.limit(scope, who));
        }
      }),
      { numRuns: 25 },
    );
  });

  test("is one limit for all instances, and holds under a rush", async () => {
    const rules = { RUSH: { algorithm: "fixedWindow", limit: 10, windowMs: 86_400_000 } } as const;
    const instances = [1, 2, 3].map(() => createRateLimiter(connect(), rules));
    const rush = instances.flatMap((limiter) =>
      Array.from({ length: 10 }, () => limiter.limit("RUSH", "someone"))
    );
    expect((await Promise.all(rush)).filter(({ allowed }) => allowed)).toHaveLength(10);
  });

  test("keeps no identifier, only a hash that depends on the salt", async () => {
    await direct.flushall();
    const rules = { PRIVATE: defaultRateLimits.API_GENERAL };
    for (const salt of ["one", "two"]) {
      await createRateLimiter(connect(), rules, { salt }).limit("PRIVATE", "zoe@example.org");
    }
    const keys = await direct.keys("*");
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(key).toMatch(/^phoenix:limit:PRIVATE:[0-9a-f]{32}$/);
  });

  test("goes on in memory while Redis is away, and returns to Redis", async () => {
    const rules = { OUTAGE: { algorithm: "fixedWindow", limit: 5, windowMs: 86_400_000 } } as const;
    const limiter = createRateLimiter(connect(), rules);
    const attempt = () => limiter.limit("OUTAGE", "someone");
    expect((await attempt()).remaining).toBe(4);
    expect((await attempt()).remaining).toBe(3);
    await upstash.redis.kill();
    const meanwhile = [];
    for (let i = 0; i < 6; i++) meanwhile.push((await attempt()).allowed);
    expect(meanwhile).toEqual([true, true, true, true, true, false]);
    await upstash.redis.restart();
    // Redis remembers the two of before, so that it allows some more.
    await expect.poll(async () => (await attempt()).allowed, { timeout: 20_000 }).toBe(true);
  });
});
