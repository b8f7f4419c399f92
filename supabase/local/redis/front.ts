import { type Context, Hono } from "hono";
import { z } from "zod";
import { type Command, commandFromJson, commandFromUrl, InvalidCommand } from "./command.ts";
import { connect, type Outcome, RedisUnavailable } from "./connection.ts";
import { encodeReply, type Encoding } from "./reply.ts";

/** Upstash's REST protocol in front of a Redis server. */
export interface RedisFront {
  fetch(request: Request): Promise<Response>;
  /** Lets go of Redis. Requests that are still open are answered as if Redis were away. */
  close(): Promise<void>;
}

/**
 * Speaks Upstash's REST protocol: `POST /` for one command, `POST /pipeline`, `POST /multi-exec`, and commands as paths
 * (`GET /get/key`). Errors are `{ "error" }`: 400 for what Redis or this front refuses, 401 without the token, 503 at
 * once while Redis is away, from which it comes back by itself. `GET /health` asks for no token.
 *
 * Reads always see earlier writes, so the sync token of clients is left unanswered. What needs a connection of its own
 * (subscriptions, blocking reads, WATCH) is refused.
 *
 * @param options.redisUrl where Redis listens, `redis://127.0.0.1:6379`
 * @param options.token the bearer token that clients must send
 */
export function createRedisFront(options: { redisUrl: string; token: string }): RedisFront {
  const redis = connect(options.redisUrl);
  const app = new Hono();

  app.get("/health", (c) => {
    const ready = redis.isReady();
    return c.json({ status: ready ? "healthy" : "unhealthy" }, ready ? 200 : 503);
  });

  app.use(async (c, next) => {
    const sent = c.req.header("authorization")?.replace(/^Bearer /i, "") ?? c.req.query("_token");
    if (sent !== options.token) {
      return c.json({ error: "WRONGPASS invalid or missing auth token" }, 401);
    }
    await next();
  });

  const answerOne = async (c: Context, command: Command) => {
    const [outcome] = await redis.run([command]);
    const body = outcome && encodeOutcome(outcome, encodingOf(c));
    return c.json(body, body && "error" in body ? 400 : 200);
  };

  app.post("/", async (c) => answerOne(c, commandFromJson(await readJson(c))));

  app.post("/pipeline", async (c) => {
    const commands = (await readBatch(c)).map(commandOrRefusal);
    const outcomes = await redis.run(commands.filter((command) => "name" in command));
    return c.json(
      commands.map((command) => {
        const outcome = "error" in command ? command : outcomes.shift();
        return outcome && encodeOutcome(outcome, encodingOf(c));
      }),
    );
  });

  app.post("/multi-exec", async (c) => {
    const outcomes = await redis.transact((await readBatch(c)).map(commandFromJson));
    if ("error" in outcomes) return c.json(outcomes, 400);
    return c.json(outcomes.map((outcome) => encodeOutcome(outcome, encodingOf(c))));
  });

  app.on(["GET", "POST", "PUT"], "*", async (c) => {
    const body = new Uint8Array(await c.req.arrayBuffer());
    return answerOne(c, commandFromUrl(new URL(c.req.url), body));
  });

  app.onError((error, c) => {
    if (error instanceof InvalidCommand) return c.json({ error: error.message }, 400);
    if (error instanceof RedisUnavailable) return c.json({ error: error.message }, 503);
    return c.json({ error: "Internal error" }, 500);
  });

  return {
    fetch: async (request) => await app.fetch(request),
    close: () => Promise.resolve(redis.close()),
  };
}

function encodingOf(c: Context): Encoding {
  return c.req.header("upstash-encoding") === "base64" ? "base64" : "text";
}

function encodeOutcome(outcome: Outcome, encoding: Encoding) {
  return "error" in outcome ? outcome : { result: encodeReply(outcome.reply, encoding) };
}

async function readJson(c: Context): Promise<unknown> {
  try {
    return await c.req.json();
  } catch {
    throw new InvalidCommand("ERR failed to parse command");
  }
}

async function readBatch(c: Context): Promise<unknown[]> {
  const batch = z.array(z.unknown()).min(1).safeParse(await readJson(c));
  if (!batch.success) throw new InvalidCommand("ERR failed to parse pipeline");
  return batch.data;
}

/** In a pipeline a refused command answers for itself and stops none of the others. */
function commandOrRefusal(json: unknown): Command | { error: string } {
  try {
    return commandFromJson(json);
  } catch (error) {
    if (error instanceof InvalidCommand) return { error: error.message };
    throw error;
  }
}
