import { Client } from "@upstash/qstash";
import type { Env } from "./env.ts";

/** QStash's client, which tries each call once; nothing where QStash is not set up. */
export function qstashFromEnv({ QSTASH_URL, QSTASH_TOKEN }: Env): Client | undefined {
  if (QSTASH_TOKEN === "") return undefined;
  return new Client({
    ...(QSTASH_URL !== "" && { baseUrl: QSTASH_URL }),
    token: QSTASH_TOKEN,
    retry: false,
    enableTelemetry: false,
  });
}
