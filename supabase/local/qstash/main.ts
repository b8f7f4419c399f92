import { z } from "zod";
import { createQStash } from "./server.ts";

const environment = z.object({
  QSTASH_PORT: z.coerce.number().int().min(0).max(65_535),
  QSTASH_TOKEN: z.string().min(1),
  QSTASH_CURRENT_SIGNING_KEY: z.string().min(1),
  QSTASH_NEXT_SIGNING_KEY: z.string().min(1),
  QSTASH_DATABASE: z.string().min(1),
  /** How many times faster than real time every wait passes. */
  QSTASH_TIME_SCALE: z.coerce.number().positive().optional(),
  /** Seconds. */
  QSTASH_DEDUPLICATION_WINDOW: z.coerce.number().positive().optional(),
}).parse(Deno.env.toObject());

const qstash = createQStash({
  token: environment.QSTASH_TOKEN,
  currentSigningKey: environment.QSTASH_CURRENT_SIGNING_KEY,
  nextSigningKey: environment.QSTASH_NEXT_SIGNING_KEY,
  databasePath: environment.QSTASH_DATABASE,
  ...(environment.QSTASH_TIME_SCALE && { timeScale: environment.QSTASH_TIME_SCALE }),
  ...(environment.QSTASH_DEDUPLICATION_WINDOW &&
    { deduplicationWindow: environment.QSTASH_DEDUPLICATION_WINDOW * 1000 }),
});

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: environment.QSTASH_PORT,
  onListen: ({ hostname, port }) => console.log(`QStash listens on http://${hostname}:${port}`),
}, qstash.fetch);

const signals = ["SIGINT", "SIGTERM"] as const;

async function stop(): Promise<void> {
  for (const signal of signals) Deno.removeSignalListener(signal, stop);
  await server.shutdown();
  await qstash.close();
}

for (const signal of signals) Deno.addSignalListener(signal, stop);
