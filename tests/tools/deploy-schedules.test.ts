import { afterEach, beforeEach, expect, test } from "vitest";
import { planSchedules } from "../../supabase/tools/deploy/schedules.ts";
import type { DeployContext } from "../../supabase/tools/deploy/step.ts";
import { type QstashRecorder, startQstashRecorder } from "../support/qstash-recorder.ts";

let qstash: QstashRecorder;

beforeEach(() => {
  qstash = startQstashRecorder();
});

afterEach(() => qstash.stop());

/** What is left to do at QStash. */
function plan() {
  const settings = {
    SUPABASE_PROJECT_REF: "abcdefghijklmnopqrst",
    QSTASH_URL: qstash.url,
    QSTASH_TOKEN: qstash.token,
  };
  return planSchedules({ settings } as Partial<DeployContext> as DeployContext);
}

test.each([
  ["cron", { cron: "0 * * * *" }],
  ["destination", { destination: "https://elsewhere.example/events/process-queue" }],
  ["method", { method: "GET" }],
  ["retries", { retries: 3 }],
])("a schedule whose %s somebody changed is put right", async (_, change) => {
  await (await plan()).apply();
  const made = qstash.schedules.get("phoenix-sweep")!;
  expect((await plan()).changes).toEqual([]);

  qstash.schedules.set("phoenix-sweep", { ...made, ...change });
  const { changes, apply } = await plan();
  expect(changes).toEqual([expect.stringMatching(/^change phoenix-sweep \(\* \* \* \* \*\) -> /)]);
  await apply();
  expect(qstash.schedules.get("phoenix-sweep")).toEqual(made);
});

test("a schedule that somebody paused is told, and stays paused", async () => {
  await (await plan()).apply();
  const made = qstash.schedules.get("phoenix-sweep")!;
  qstash.schedules.set("phoenix-sweep", { ...made, isPaused: true });
  expect(await plan()).toMatchObject({
    changes: [],
    note: "phoenix-sweep is paused in QStash",
  });
});
