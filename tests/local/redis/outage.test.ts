import { Redis } from "@upstash/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { describeWithRedis, startUpstash, type TestUpstash } from "../../support/redis.ts";

describeWithRedis("the local Redis when Redis goes away", () => {
  let upstash: TestUpstash;
  let redis: Redis;

  beforeAll(async () => {
    upstash = await startUpstash();
    redis = new Redis({ url: upstash.url, token: upstash.token, retry: { retries: 0 } });
  });
  afterAll(() => upstash?.stop());

  const isReachable = () => redis.ping().then(() => true, () => false);
  const ask = async (path: string, body: unknown) => {
    const answer = await fetch(upstash.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${upstash.token}` },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  };

  test("answers 503 at once meanwhile, and serves the same data when it is back", async () => {
    await redis.set("kept", "before");
    await upstash.redis.kill();
    await eventually(async () => !(await isReachable()));

    const unavailable = { status: 503, body: { error: "Redis is unavailable" } };
    // Where each were to wait for the time limit of a command, that would take over a minute.
    const started = performance.now();
    for (let i = 0; i < 20; i++) expect(await ask("/", ["get", "kept"])).toEqual(unavailable);
    expect(await ask("/pipeline", [["get", "kept"]])).toEqual(unavailable);
    expect(await ask("/multi-exec", [["get", "kept"]])).toEqual(unavailable);
    expect((await fetch(`${upstash.url}/health`)).status).toBe(503);
    expect(performance.now() - started).toBeLessThan(30_000);

    await upstash.redis.restart();
    await eventually(isReachable);
    expect(await redis.get("kept")).toBe("before");
    expect(await (await fetch(`${upstash.url}/health`)).json()).toEqual({ status: "healthy" });
  });

  test("breaks off what was under way, and answers it", async () => {
    // Told by the lost connection, not by the time limit of a command: unless a busy machine lets that much time pass meanwhile.
    await eventually(async () => {
      const spin = ["eval", "while true do end", 0];
      const answer = ask("/", spin);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const started = performance.now();
      await upstash.redis.kill();
      const { status } = await answer;
      const took = performance.now() - started;
      await upstash.redis.restart();
      await eventually(isReachable);
      expect(status).toBe(503);
      return took < 2_500;
    });
  });

  test("takes its transactions and scripts up again after a restart", async () => {
    const script = redis.createScript<number>(
      "#!lua flags=allow-key-locking\nreturn redis.call('INCR', KEYS[1])",
    );
    const before = await script.exec(["counted"], []);
    await upstash.redis.restart();
    await eventually(isReachable);
    expect(await script.exec(["fresh"], [])).toBe(1);
    expect(before).toBe(1);
    expect(await redis.multi().set("a", 1).incr("a").exec()).toEqual(["OK", 2]);
  });
});
