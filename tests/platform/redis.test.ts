import type { Redis } from "@upstash/redis";
import { Redis as RedisClient } from "ioredis";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from "vitest";
import { createCache } from "../../shared/platform/cache.ts";
import type { Log } from "../../shared/platform/log.ts";
import { createRateLimiter } from "../../shared/platform/rate-limit.ts";
import { askRedis, redisFromEnv, type RedisOptions } from "../../shared/platform/redis.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../support/redis.ts";

type Answer = () => Response | Promise<Response>;

describe("Redis from the environment", () => {
  test("is none where nothing is configured", () => {
    expect(redisFromEnv({})).toBeUndefined();
    expect(redisFromEnv({ UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "" }))
      .toBeUndefined();
    expect(redisFromEnv({ UPSTASH_REDIS_REST_URL: "https://redis.example" })).toBeUndefined();
  });

  test("refuses what is not a URL", () => {
    const env = { UPSTASH_REDIS_REST_URL: "redis.example", UPSTASH_REDIS_REST_TOKEN: "token" };
    expect(() => redisFromEnv(env)).toThrow(/UPSTASH_REDIS_REST_URL/);
  });
});

describe("a Redis that fails", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  /** A server in Upstash's place that answers as told, and counts what it was asked. */
  function serve(first: Answer) {
    const stop = new AbortController();
    const upstash = { answer: first, requests: 0 };
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {}, signal: stop.signal },
      () => {
        upstash.requests++;
        return upstash.answer();
      },
    );
    onTestFinished(() => stop.abort());
    const env = {
      UPSTASH_REDIS_REST_URL: `http://127.0.0.1:${server.addr.port}`,
      UPSTASH_REDIS_REST_TOKEN: "token",
    };
    /** With time enough for a busy machine. */
    const connect = (options: RedisOptions = {}) => {
      const redis = redisFromEnv(env, { timeoutMs: 20_000, ...options });
      if (!redis) throw new Error("not configured");
      return redis;
    };
    return Object.assign(upstash, { connect });
  }

  const works = () => Response.json([{ result: 1 }]);
  const isAway = () => Response.json({ error: "Redis is unavailable" }, { status: 503 });
  const failing: [string, Answer][] = [
    ["is away", isAway],
    ["knows no such token", () => Response.json({ error: "WRONGPASS invalid" }, { status: 401 })],
    ["answers what is not JSON", () => new Response("<html>", { status: 502 })],
    [
      "has used up its quota",
      () => Response.json({ error: "ERR max requests limit exceeded. Limit: 1" }, { status: 400 }),
    ],
    // A pipeline is answered all the same, and each of its commands for itself.
    ["has no room left", () => Response.json([{ error: "ERR DB capacity quota exceeded" }])],
    ["cannot save", () => Response.json([{ error: "MISCONF Redis is configured to save" }])],
  ];

  test.each(failing)("and %s is asked no more after the first failures", async (_, fails) => {
    const upstash = serve(fails);
    const redis = upstash.connect({ failuresToBreak: 2 });
    for (let i = 0; i < 30; i++) await expect(redis.incr("key")).rejects.toThrow();
    expect(upstash.requests).toBe(2);
  });

  test("and does not answer is asked no more after the first failures", async () => {
    // Its time is over once the request has arrived, however busy the machine is.
    let time = new AbortController();
    using timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
      time = new AbortController();
      return time.signal;
    });
    const upstash = serve(() => {
      time.abort(new DOMException("The time is over.", "TimeoutError"));
      return new Promise(() => {});
    });
    const redis = upstash.connect({ timeoutMs: 123, failuresToBreak: 2 });
    for (let i = 0; i < 30; i++) await expect(redis.incr("key")).rejects.toThrow();
    expect(upstash.requests).toBe(2);
    expect(timeout.mock.calls).toEqual([[123], [123]]);
  });

  test("is asked once after a while, and used again when it works", async () => {
    const logged: string[] = [];
    const log: Log = (level, message) => logged.push(`${level}: ${message}`);
    const upstash = serve(isAway);
    const redis = upstash.connect({ failuresToBreak: 2, retryAfterMs: 10_000, log });
    for (let i = 0; i < 5; i++) await redis.incr("key").catch(() => {});

    vi.setSystemTime(Date.now() + 10_001);
    for (let i = 0; i < 5; i++) await redis.incr("key").catch(() => {});
    expect(upstash.requests).toBe(3);

    upstash.answer = works;
    vi.setSystemTime(Date.now() + 10_001);
    for (let i = 0; i < 5; i++) expect(await redis.incr("key")).toBe(1);
    expect(upstash.requests).toBe(8);
    expect(logged).toEqual([
      "warn: Redis is left alone for now",
      "warn: Redis is left alone for now",
      "info: Redis is back",
    ]);
  });

  test("begins anew once it is back", async () => {
    const upstash = serve(isAway);
    const redis = upstash.connect({ failuresToBreak: 2, retryAfterMs: 10_000 });
    for (let i = 0; i < 5; i++) await redis.incr("key").catch(() => {});
    vi.setSystemTime(Date.now() + 10_001);
    for (const answer of [works, isAway, works]) {
      upstash.answer = answer;
      await redis.incr("key").catch(() => {});
    }
    expect(upstash.requests).toBe(5);
  });

  test("is told of no more while it is left alone", async () => {
    const log = vi.fn<Log>();
    const redis = serve(isAway).connect({ failuresToBreak: 2, log });
    for (let i = 0; i < 9; i++) {
      const ask = (redis: Redis) => redis.incr("key");
      await askRedis({ redis, ask, fallback: () => 0, what: "count", log });
    }
    expect(log.mock.calls.map(([, message]) => message)).toEqual([
      "Redis failed to count",
      "Redis is left alone for now",
      "Redis failed to count",
    ]);
  });

  test("and does so each second time is asked no more either", async () => {
    const upstash = serve(() => upstash.requests % 2 ? works() : isAway());
    const redis = upstash.connect({ failuresToBreak: 3 });
    for (let i = 0; i < 30; i++) await redis.incr("key").catch(() => {});
    expect(upstash.requests).toBe(6);
  });

  test("now and then is not given up", async () => {
    const upstash = serve(() => upstash.requests % 3 ? works() : isAway());
    const redis = upstash.connect({ failuresToBreak: 3 });
    for (let i = 0; i < 30; i++) await redis.incr("key").catch(() => {});
    expect(upstash.requests).toBe(30);
  });

  test.each<[string, Answer]>([
    ["by itself", () => Response.json({ error: "WRONGTYPE Operation" }, { status: 400 })],
    ["in a pipeline", () => Response.json([{ error: "WRONGTYPE Operation" }])],
  ])("is not given up for a command that it refuses %s", async (_, refuses) => {
    const upstash = serve(refuses);
    const redis = upstash.connect({ failuresToBreak: 2 });
    for (let i = 0; i < 5; i++) await expect(redis.incr("key")).rejects.toThrow(/WRONGTYPE/);
    expect(upstash.requests).toBe(5);
  });

  test("is replaced by the fallback, and the log tells neither keys nor values", async () => {
    const log = vi.fn<Log>();
    const upstash = serve(() => Response.json({ error: "ERR syntax error" }, { status: 400 }));
    const answer = await askRedis<unknown>({
      redis: upstash.connect(),
      ask: (redis) => redis.hgetall("user:zoe@example.org"),
      fallback: () => "fallback",
      what: "read a profile",
      log,
    });
    expect(answer).toBe("fallback");
    expect(log.mock.calls).toEqual([
      ["warn", "Redis failed to read a profile", { error: "UpstashError: ERR syntax error" }],
    ]);
  });
});

describeWithRedis("a Redis that reads and does not write", () => {
  let upstash: TestUpstash;
  let admin: RedisClient;

  beforeAll(async () => {
    upstash = await startUpstash();
    admin = new RedisClient(upstash.redis.url);
  });
  afterAll(async () => {
    admin?.disconnect();
    await upstash?.stop();
  });

  describe.each([
    ["is full", "OOM", ["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]],
    ["is a replica", "READONLY", ["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]],
    [
      "lacks replicas",
      "NOREPLICAS",
      ["CONFIG", "SET", "min-replicas-to-write", "1"],
      ["CONFIG", "SET", "min-replicas-to-write", "0"],
    ],
  ])("since it %s", (_, code, [name = "", ...args], [backName = "", ...backArgs]) => {
    beforeEach(async () => {
      await admin.call("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await admin.call(name, ...args);
    });
    afterEach(() => admin.call(backName, ...backArgs));

    /** A Redis that, once it is left alone, is so for the whole test, and what is logged of it. */
    function connect() {
      const log = vi.fn<Log>();
      const redis = redisFromEnv({
        UPSTASH_REDIS_REST_URL: upstash.url,
        UPSTASH_REDIS_REST_TOKEN: upstash.token,
      }, { log, timeoutMs: 20_000, failuresToBreak: 3, retryAfterMs: 3_600_000 });
      return { redis, log, logged: () => log.mock.calls.map(([, message]) => message) };
    }

    test("a rate limit is counted in memory, and the log says so once", async () => {
      const { redis, log, logged } = connect();
      const rule = { name: crypto.randomUUID(), limit: 10, windowMs: 86_400_000 };
      const limiter = createRateLimiter(redis, rule, { log });
      const decisions: boolean[] = [];
      for (let i = 0; i < 12; i++) decisions.push((await limiter("someone")).allowed);
      expect(decisions.filter((allowed) => allowed)).toHaveLength(10);
      expect(logged()).toEqual([
        "Redis failed to count a rate limit",
        "Redis failed to count a rate limit",
        "Redis is left alone for now",
        "Redis failed to count a rate limit",
      ]);
      expect(log.mock.calls[2]?.[2]).toMatchObject({
        error: expect.stringMatching(`^UpstashError: ${code} `),
      });
    });

    test("values are kept in memory, though reading them from Redis succeeds", async () => {
      const { redis, log, logged } = connect();
      const cache = createCache(redis, { log });
      const load = vi.fn(() => Promise.resolve("value"));
      for (let i = 0; i < 9; i++) await cache.getOrLoad(crypto.randomUUID(), 60, load);
      const key = crypto.randomUUID();
      for (let i = 0; i < 9; i++) await cache.getOrLoad(key, 60, load);
      expect(load).toHaveBeenCalledTimes(10);
      expect(logged()).toEqual([
        "Redis failed to write the cache",
        "Redis failed to write the cache",
        "Redis is left alone for now",
        "Redis failed to write the cache",
      ]);
    });
  });
});
