import { Redis } from "@upstash/redis";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { freePort } from "../../../supabase/local/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { describeWithRedis, startRedis, type TestRedis } from "../../support/redis.ts";

const MAIN = fileURLToPath(new URL("../../../supabase/local/redis/main.ts", import.meta.url));

describeWithRedis("the local Redis REST process", () => {
  let redis: TestRedis;

  beforeAll(async () => {
    redis = await startRedis();
    return () => redis.stop();
  });

  const run = (env: Record<string, string>) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-net", "--allow-env", MAIN],
      clearEnv: true,
      env,
      stdout: "null",
      stderr: "piped",
    }).spawn();

  test.each(["SIGTERM", "SIGINT"] as const)("serves until %s and ends cleanly", async (signal) => {
    const port = freePort();
    await using server = run({
      REDIS_REST_PORT: String(port),
      REDIS_REST_TOKEN: "local",
      REDIS_PORT: String(redis.port),
    });
    const url = `http://127.0.0.1:${port}`;
    await eventually(() => fetch(`${url}/health`).then((answer) => answer.ok, () => false));

    const client = new Redis({ url, token: "local" });
    await client.set("through", signal);
    expect(await client.get("through")).toBe(signal);

    server.kill(signal);
    expect(await server.status).toEqual({ success: true, code: 0, signal: null });
  });

  test("says what is missing in its environment", async () => {
    await using server = run({ REDIS_REST_PORT: "1" });
    const { code, stderr } = await server.output();
    expect(code).toBe(1);
    expect(new TextDecoder().decode(stderr)).toMatch(/REDIS_REST_TOKEN/);
  });
});
