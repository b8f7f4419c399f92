import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cache, createCache } from "../../shared/platform/cache.ts";
import { redisFromEnv } from "../../shared/platform/redis.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../support/redis.ts";

/** What holds for a cache wherever it keeps its values. */
function behavesAsCache(createOne: () => Cache) {
  const loadOf = <T>(...values: T[]) => {
    const load = () => Promise.resolve(values[Math.min(load.calls++, values.length - 1)] as T);
    load.calls = 0;
    return load;
  };

  test("loads a value once and then keeps it, whatever JSON it is", async () => {
    const cache = createOne();
    const values = [
      { name: "Zoé", at: [1, "2", null] },
      "12",
      "texte",
      "",
      0,
      1.5,
      false,
      null,
      [],
    ];
    for (const [i, value] of values.entries()) {
      const load = loadOf<unknown>(value);
      for (let n = 0; n < 3; n++) {
        expect(await cache.getOrLoad(`json:${i}`, 60, load)).toEqual(value);
      }
      expect(load.calls).toBe(1);
    }
  });

  test("shares one load among all who ask at the same time", async () => {
    const cache = createOne();
    const load = loadOf("shared");
    const asked = Array.from({ length: 20 }, () => cache.getOrLoad("crowd", 60, load));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(["shared"]));
    expect(load.calls).toBe(1);
  });

  test("keeps no failure", async () => {
    const cache = createOne();
    const failing = () => Promise.reject(new Error("the source is down"));
    await expect(cache.getOrLoad("failing", 60, failing)).rejects.toThrow("the source is down");
    expect(await cache.getOrLoad("failing", 60, loadOf("later"))).toBe("later");
  });
}

describe("a cache without Redis", () => {
  behavesAsCache(() => createCache(undefined));

  test("forgets a value when its time is over", async () => {
    let now = 0;
    const cache = createCache(undefined, { now: () => now });
    const load = () => Promise.resolve(now);
    expect(await cache.getOrLoad("key", 10, load)).toBe(0);
    now = 9_999;
    expect(await cache.getOrLoad("key", 10, load)).toBe(0);
    now = 10_000;
    expect(await cache.getOrLoad("key", 10, load)).toBe(10_000);
  });

  test("keeps no more than it has room for, and drops what was not used for longest", async () => {
    const cache = createCache(undefined, { capacity: 2 });
    const get = (key: string, value: string) =>
      cache.getOrLoad(key, 60, () => Promise.resolve(value));
    await get("a", "old");
    await get("b", "old");
    await get("a", "new");
    await get("c", "old");
    expect(await get("a", "new")).toBe("old");
    expect(await get("b", "new")).toBe("new");
  });
});

describeWithRedis("a cache in Redis", () => {
  let upstash: TestUpstash;
  let direct: Redis;
  const env = () => ({
    UPSTASH_REDIS_REST_URL: upstash.url,
    UPSTASH_REDIS_REST_TOKEN: upstash.token,
  });
  // With time enough for a busy machine.
  const createOne = () => createCache(redisFromEnv(env(), { retryAfterMs: 1, timeoutMs: 20_000 }));

  beforeAll(async () => {
    upstash = await startUpstash();
    direct = new Redis({ url: upstash.url, token: upstash.token });
  });
  afterAll(() => upstash?.stop());

  behavesAsCache(() => createOne());

  test("is shared by all instances, for the time asked", async () => {
    await createOne().getOrLoad("everywhere", 60, () => Promise.resolve("first"));
    expect(await createOne().getOrLoad("everywhere", 60, () => Promise.resolve("second"))).toBe(
      "first",
    );
    expect(await direct.ttl("phoenix:cache:everywhere")).toBeGreaterThan(50);
  });

  test("goes on in this process while Redis is away, and returns to it", async () => {
    const cache = createOne();
    let loads = 0;
    const get = (key: string) => cache.getOrLoad(key, 60, () => Promise.resolve(++loads));
    expect(await get("outage")).toBe(1);
    await upstash.redis.kill();
    for (let i = 0; i < 10; i++) expect(await get("outage")).toBe(2);
    await upstash.redis.restart();
    await expect.poll(() => get("outage"), { timeout: 60_000 }).toBe(1);
  });
});
