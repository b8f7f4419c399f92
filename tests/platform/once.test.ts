import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOnce } from "../../shared/platform/once.ts";
import { redisFromEnv } from "../../shared/platform/redis.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../support/redis.ts";

describe("what is seen once, without Redis", () => {
  test("is new once, and again when its time is over", async () => {
    let now = 0;
    const once = createOnce(undefined, { now: () => now });
    expect(await once.firstTime("a", 10)).toBe(true);
    expect(await once.firstTime("b", 10)).toBe(true);
    now = 9_999;
    expect(await once.firstTime("a", 10)).toBe(false);
    now = 10_000;
    expect(await once.firstTime("a", 10)).toBe(true);
  });
});

describeWithRedis("what is seen once, with Redis", () => {
  let upstash: TestUpstash;
  // With time enough for a busy machine.
  const createOne = () =>
    createOnce(redisFromEnv({
      UPSTASH_REDIS_REST_URL: upstash.url,
      UPSTASH_REDIS_REST_TOKEN: upstash.token,
    }, { timeoutMs: 20_000 }));

  beforeAll(async () => {
    upstash = await startUpstash();
  });
  afterAll(() => upstash?.stop());

  test("is new for one of all who ask at the same time, in one instance and in many", async () => {
    const instances = Array.from({ length: 10 }, createOne);
    const asked = [...instances, ...instances].map((once) => once.firstTime("message", 60));
    expect((await Promise.all(asked)).filter((isFirst) => isFirst)).toHaveLength(1);
  });

  test("stays known to the instance that saw it when Redis goes away", async () => {
    const once = createOne();
    expect(await once.firstTime("before", 60)).toBe(true);
    await upstash.redis.kill();
    expect(await once.firstTime("before", 60)).toBe(false);
    expect(await once.firstTime("meanwhile", 60)).toBe(true);
    expect(await once.firstTime("meanwhile", 60)).toBe(false);
  });
});
