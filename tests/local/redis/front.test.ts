import { Redis } from "@upstash/redis";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeWithRedis, startUpstash, type TestUpstash } from "../../support/redis.ts";

describeWithRedis("Upstash's client on the local Redis", () => {
  let upstash: TestUpstash;
  let redis: Redis;

  beforeAll(async () => {
    upstash = await startUpstash();
    redis = new Redis({ url: upstash.url, token: upstash.token, enableAutoPipelining: false });
  });
  afterAll(() => upstash?.stop());

  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(upstash.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${upstash.token}`, ...headers },
      body: JSON.stringify(body),
    });

  test("gets back what it set, with its type", async () => {
    await redis.set("profile", { name: "Zoé", scores: [0.5, 1], active: true });
    expect(await redis.get("profile")).toEqual({ name: "Zoé", scores: [0.5, 1], active: true });
    expect(await redis.get("missing")).toBeNull();
    expect(await redis.ping()).toBe("PONG");
    expect(await redis.type("profile")).toBe("string");
  });

  test("carries any text unchanged, even where it looks like base64 or like a reply", async () => {
    const plain = new Redis({
      url: upstash.url,
      token: upstash.token,
      automaticDeserialization: false,
    });
    const text = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("", "OK", "PONG", "null", "T0s=", "12", "\u0000\r\n", "é🦅e\u0301"),
    );
    await fc.assert(
      fc.asyncProperty(text, text, async (one, two) => {
        await plain.set("text", one);
        expect(await plain.get("text")).toBe(one);
        await plain.del("texts");
        await plain.rpush("texts", one, two);
        expect(await plain.lrange("texts", 0, -1)).toEqual([one, two]);
      }),
      { numRuns: 50 },
    );
  });

  test("sees hashes, sets, scores, scans, streams and expiries as with Upstash", async () => {
    await redis.hset("hash", { a: 1, b: "two" });
    expect(await redis.hgetall("hash")).toEqual({ a: 1, b: "two" });
    await redis.sadd("set", "x", "y");
    expect((await redis.smembers("set")).sort()).toEqual(["x", "y"]);
    await redis.zadd("zset", { score: 1.5, member: "low" }, { score: 7, member: "high" });
    expect(await redis.zrange("zset", 0, -1, { withScores: true })).toEqual([
      "low",
      1.5,
      "high",
      7,
    ]);
    await redis.mset({ "scan:1": 1, "scan:2": 2 });
    const [cursor, keys] = await redis.scan(0, { match: "scan:*", count: 1000 });
    expect([cursor, keys.sort()]).toEqual(["0", ["scan:1", "scan:2"]]);
    await redis.xadd("stream", "1-1", { event: "cv.generated" });
    expect(await redis.xrange("stream", "-", "+")).toEqual({ "1-1": { event: "cv.generated" } });
    await redis.set("soon", 1, { ex: 100 });
    expect(await redis.ttl("soon")).toBeGreaterThan(90);
    expect(await redis.set("soon", 2, { nx: true })).toBeNull();
  });

  test("answers a pipeline command by command, errors among the results", async () => {
    await redis.set("word", "abc");
    const pipeline = redis.pipeline().set("n", 1).incr("word").incr("n").get("n");
    const results = await pipeline.exec({ keepErrors: true });
    expect(results.map(({ result }) => result)).toEqual(["OK", undefined, 2, 2]);
    expect(results[1]?.error).toMatch(/^ERR value is not an integer/);
    await expect(redis.pipeline().incr("word").exec()).rejects.toThrow(/value is not an integer/);
  });

  test("runs commands that the client gathered into a pipeline by itself", async () => {
    const gathering = new Redis({ url: upstash.url, token: upstash.token });
    const counts = await Promise.all(Array.from({ length: 20 }, () => gathering.incr("gathered")));
    expect(counts).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  test("runs a transaction as one, whatever else runs at the same time", async () => {
    const bump = () => redis.multi().incr("left").get("left").incr("right").exec();
    const results = await Promise.all(Array.from({ length: 30 }, bump));
    for (const [left, read, right] of results) expect([read, right]).toEqual([left, left]);
    expect(results.map(([left]) => left).sort((a, b) => Number(a) - Number(b))).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  test("discards a transaction as a whole when a command in it cannot be run at all", async () => {
    const refused = await post("/multi-exec", [["set", "discarded", "1"], ["nonsense"]]);
    expect(refused.status).toBe(400);
    expect((await refused.json()).error).toMatch(/^EXECABORT .*unknown command/);
    expect(await redis.exists("discarded")).toBe(0);

    await redis.set("word", "abc");
    const [error, kept] = await redis.multi().incr("word").set("kept", 1).exec({
      keepErrors: true,
    });
    expect(error.error).toMatch(/not an integer/);
    expect(kept).toEqual({ error: undefined, result: "OK" });
  });

  test("runs scripts marked for Upstash, by their text and by their SHA-1", async () => {
    const body = "return {KEYS[1], ARGV[1], 7, redis.call('INCR', 'scripted')}";
    for (
      const shebang of ["#!lua flags=allow-key-locking", "#!lua flags=no-cluster,allow-key-locking"]
    ) {
      const script = redis.createScript<unknown[]>(`${shebang}\n${body}`);
      await redis.del("scripted");
      expect(await script.exec(["k"], ["a"])).toEqual(["k", "a", 7, 1]);
      expect(await redis.evalsha(await sha1(`${shebang}\n${body}`), ["k"], ["a"]))
        .toEqual(["k", "a", 7, 2]);
      expect(await redis.scriptExists(await sha1(`${shebang}\n${body}`))).toEqual([1]);
    }
    await expect(redis.evalsha(await sha1("unknown"), [], [])).rejects.toThrow(/NOSCRIPT/);
    await expect(redis.eval("return redis.error_reply('ERR mine')", [], [])).rejects.toThrow(
      /ERR mine/,
    );
  });

  test("takes commands as paths, with a body and a query as further arguments", async () => {
    const headers = { authorization: `Bearer ${upstash.token}` };
    const call = async (path: string, init: RequestInit = {}) =>
      await (await fetch(upstash.url + path, { headers, ...init })).json();
    expect(await call("/set/caf%C3%A9%2Fbar/%F0%9F%A6%85?EX=100")).toEqual({ result: "OK" });
    expect(await call("/get/caf%C3%A9%2Fbar")).toEqual({ result: "🦅" });
    expect(await call("/ttl/caf%C3%A9%2Fbar")).toEqual({ result: 100 });
    const bytes = new Uint8Array([0, 255, 13, 10]);
    expect(await call("/set/bytes", { method: "POST", body: bytes })).toEqual({ result: "OK" });
    expect(await call("/get/bytes", { headers: { ...headers, "upstash-encoding": "base64" } }))
      .toEqual({ result: "AP8NCg==" });
    expect(await call(`/get/nothing?_token=${upstash.token}`, { headers: {} }))
      .toEqual({ result: null });
  });

  test("refuses a wrong or missing token", async () => {
    const answer = await post("/", ["get", "profile"], { authorization: "Bearer wrong" });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({ error: "WRONGPASS invalid or missing auth token" });
    const stranger = new Redis({ url: upstash.url, token: "wrong" });
    await expect(stranger.get("profile")).rejects.toThrow(/WRONGPASS/);
  });

  test("answers what is wrong with a command, and what cannot be one", async () => {
    for (
      const [path, body, message] of [
        ["/", ["set", "only-a-key"], /^ERR wrong number of arguments/],
        ["/", ["nonsense"], /^ERR unknown command/],
        ["/", [], /^ERR failed to parse command/],
        ["/", { get: "key" }, /^ERR failed to parse command/],
        ["/", ["set", "key", { nested: true }], /^ERR failed to parse command/],
        ["/pipeline", {}, /^ERR failed to parse pipeline/],
        ["/multi-exec", [], /^ERR failed to parse pipeline/],
      ] as const
    ) {
      const answer = await post(path, body);
      expect(answer.status).toBe(400);
      expect((await answer.json()).error).toMatch(message);
    }
  });

  test("refuses what needs a connection of its own, and goes on with the rest", async () => {
    for (
      const command of [
        ["subscribe", "news"],
        ["MONITOR"],
        ["blpop", "list", 0],
        ["xread", "block", 0, "streams", "s", "$"],
        ["multi"],
        ["client", "reply", "off"],
        ["select", 1],
        ["config", "set", "dir", "/"],
        ["replicaof", "127.0.0.1", 1],
        ["acl", "setuser", "somebody"],
        ["module", "load", "/a.so"],
        ["shutdown"],
      ]
    ) {
      const answer = await post("/", command);
      expect(answer.status).toBe(400);
      expect((await answer.json()).error).toMatch(/^ERR Command is not available/);
    }
    const pipeline = [["blpop", "l", 0], ["ping"], ["xread", "streams", "none", "0"]];
    const [refused, ...ran] = await (await post("/pipeline", pipeline)).json();
    expect(refused.error).toMatch(/blocks/);
    expect(ran).toEqual([{ result: "PONG" }, { result: null }]);
  });
});

async function sha1(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
