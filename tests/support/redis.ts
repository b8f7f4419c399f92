import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis as RedisClient } from "ioredis";
import { describe } from "vitest";
import { freePort } from "../../supabase/local/ports.ts";
import { findRedisServer, redisServerArguments } from "../../supabase/local/redis/find-redis.ts";
import { createRedisFront } from "../../supabase/local/redis/front.ts";
import { eventually } from "./eventually.ts";

/** A real Redis of a test's own, on a free port, with its data in a temporary folder. */
export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** Ends Redis at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts Redis again on the same port with the same data. */
  restart(): Promise<void>;
  /** Ends Redis and deletes its data. */
  stop(): Promise<void>;
}

/** A real Redis with Upstash's REST protocol in front of it. */
export interface TestUpstash {
  readonly redis: TestRedis;
  readonly url: string;
  readonly token: string;
  stop(): Promise<void>;
}

/**
 * `describe` for tests that need Redis. Where `redis-server` is not installed they are skipped; in CI they run all the
 * same, and fail.
 */
export const describeWithRedis = findRedisServer() || Deno.env.get("CI") === "true"
  ? describe
  : (name: string, tests: () => void) =>
    describe.skip(`${name} (skipped: redis-server is not installed)`, tests);

/** @throws Error where `redis-server` is not installed, or ends before it answers */
export async function startRedis(): Promise<TestRedis> {
  const program = findRedisServer();
  if (!program) throw new Error("redis-server is not installed");
  const dataFolder = await mkdtemp(join(tmpdir(), "phoenix-redis-"));
  const port = freePort();
  const start = () => spawnRedis(program, redisServerArguments({ port, dataFolder }), port);

  let server = await start();
  const kill = () => end(server);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: async () => {
      await kill();
      server = await start();
    },
    stop: async () => {
      await kill();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** @throws Error as {@link startRedis} does */
export async function startUpstash(): Promise<TestUpstash> {
  const redis = await startRedis();
  const token = crypto.randomUUID();
  const front = createRedisFront({ redisUrl: redis.url, token });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, front.fetch);
  const url = `http://127.0.0.1:${server.addr.port}`;
  await eventually(async () => (await fetch(`${url}/health`).then(drained)).ok);
  return {
    redis,
    url,
    token,
    stop: async () => {
      await front.close();
      await server.shutdown();
      await redis.stop();
    },
  };
}

async function drained(response: Response): Promise<Response> {
  await response.arrayBuffer();
  return response;
}

async function spawnRedis(program: string, args: string[], port: number) {
  const server = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  const client = new RedisClient(port, "127.0.0.1", {
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
  });
  client.on("error", () => {});
  const answered = client.ping().then(() => true);
  const ended = server.status.then(() => false);
  const isUp = await Promise.race([answered, ended]);
  answered.catch(() => {});
  client.disconnect();
  if (!isUp) throw new Error(`redis-server ended before it answered on port ${port}`);
  return server;
}

async function end(server: Deno.ChildProcess): Promise<void> {
  try {
    server.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
  await server.status;
}
