import { Client } from "@upstash/qstash";
import type { StackEnv } from "./stack-env.ts";

/** Sees to it that QStash rings `process-queue` every minute, which finds what a lost doorbell has left. */
export async function ensureSweep(env: StackEnv): Promise<void> {
  const client = new Client({ baseUrl: env.QSTASH_URL, token: env.QSTASH_TOKEN });
  await client.schedules.create({
    scheduleId: "phoenix-sweep",
    destination: `${env.FUNCTIONS_URL}/events/process-queue`,
    cron: "* * * * *",
  });
}
