import { Client } from "@upstash/qstash";
import { sweep } from "../../local/sweep.ts";
import { functionsUrl, need } from "./settings.ts";
import type { PlanStep } from "./step.ts";

/** The QStash schedules, by their ids. */
export const planSchedules: PlanStep = async ({ settings }) => {
  const client = new Client({
    token: need(settings, "QSTASH_TOKEN"),
    baseUrl: settings.QSTASH_URL ?? "https://qstash.upstash.io",
    enableTelemetry: false,
  });
  const existing = new Map((await client.schedules.list()).map((one) => [one.scheduleId, one]));
  const wanted = [sweep(functionsUrl(settings))];
  const changed = wanted.filter((schedule) => {
    const current = existing.get(schedule.scheduleId);
    return current?.cron !== schedule.cron || current.destination !== schedule.destination ||
      current.method !== schedule.method || current.retries !== schedule.retries;
  });
  const paused = wanted.filter(({ scheduleId }) => existing.get(scheduleId)?.isPaused);
  return {
    changes: changed.map(({ scheduleId, cron, destination }) =>
      `${existing.has(scheduleId) ? "change" : "create"} ${scheduleId} (${cron}) -> ${destination}`
    ),
    ...(paused.length > 0
      ? { note: `${paused.map((one) => one.scheduleId).join(", ")} is paused in QStash` }
      : {}),
    apply: async () => {
      for (const schedule of changed) await client.schedules.create(schedule);
    },
  };
};
