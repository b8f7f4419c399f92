import { Ratelimit } from "@upstash/ratelimit";
import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithRedis, startUpstash, type TestUpstash } from "../../support/redis.ts";

describeWithRedis("Upstash's rate limiter on the local Redis", () => {
  let upstash: TestUpstash;
  let redis: Redis;

  beforeAll(async () => {
    upstash = await startUpstash();
    redis = new Redis({ url: upstash.url, token: upstash.token });
  });
  afterAll(() => upstash?.stop());

  // Windows begin at multiples of their length since 1970: a day's begins at midnight.
  const window = "365 d";

  test.each([
    ["fixedWindow", Ratelimit.fixedWindow(3, window)],
    ["slidingWindow", Ratelimit.slidingWindow(3, window)],
    ["tokenBucket", Ratelimit.tokenBucket(3, window, 3)],
  ])(
    "%s lets through as many as it should, counts what remains and can be reset",
    async (prefix, limiter) => {
      const ratelimit = new Ratelimit({ redis, limiter, prefix, ephemeralCache: false });
      const decisions = [];
      for (let i = 0; i < 4; i++) decisions.push(await ratelimit.limit("someone"));
      expect(decisions.map(({ success }) => success)).toEqual([true, true, true, false]);
      expect(decisions.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0]);
      expect(decisions[3]?.reset).toBeGreaterThan(Date.now());
      expect((await ratelimit.limit("someone else")).success).toBe(true);
      expect((await ratelimit.getRemaining("someone else")).remaining).toBe(2);
      await ratelimit.resetUsedTokens("someone");
      expect((await ratelimit.limit("someone")).remaining).toBe(2);
    },
  );
});
