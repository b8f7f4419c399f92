/**
 * The local Redis REST server as a process of its own, on 127.0.0.1 until SIGTERM or SIGINT.
 *
 * Environment: `REDIS_REST_PORT` and `REDIS_REST_TOKEN` for its clients, `REDIS_PORT` for the Redis behind it, which may
 * come up later, go away and come back.
 */
import { z } from "zod";
import { createRedisFront } from "./front.ts";

const port = z.coerce.number().int().min(1).max(65535);
const env = z
  .object({ REDIS_REST_PORT: port, REDIS_REST_TOKEN: z.string().min(1), REDIS_PORT: port })
  .parse(Deno.env.toObject());

const front = createRedisFront({
  redisUrl: `redis://127.0.0.1:${env.REDIS_PORT}`,
  token: env.REDIS_REST_TOKEN,
});

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: env.REDIS_REST_PORT,
  onListen: ({ hostname, port }) => console.log(`Redis REST on http://${hostname}:${port}`),
}, front.fetch);

const signals = ["SIGINT", "SIGTERM"] as const;

async function stop() {
  await server.shutdown();
  await front.close();
  for (const signal of signals) Deno.removeSignalListener(signal, stop);
}

for (const signal of signals) Deno.addSignalListener(signal, stop);
