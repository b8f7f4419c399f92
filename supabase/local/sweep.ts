import { Client, type CreateScheduleRequest } from "@upstash/qstash";
import type { StackEnv } from "./stack-env.ts";

/** The schedule by which QStash rings `process-queue` every minute, which finds what a lost doorbell has left: here, and as it is deployed. */
export function sweep(functionsUrl: string) {
  return {
    scheduleId: "phoenix-sweep",
    cron: "* * * * *",
    destination: `${functionsUrl}/events/process-queue`,
    method: "POST",
    // The next minute rings anyway.
    retries: 0,
  } as const satisfies CreateScheduleRequest;
}

/** Sees to it that the local QStash sweeps. */
export async function ensureSweep(env: StackEnv): Promise<void> {
  const client = new Client({ baseUrl: env.QSTASH_URL, token: env.QSTASH_TOKEN });
  await client.schedules.create(sweep(env.FUNCTIONS_URL));
}
