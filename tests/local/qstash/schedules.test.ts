import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nextCronTime } from "../../../supabase/local/qstash/cron.ts";
import { createPublish } from "../../../supabase/local/qstash/publish.ts";
import { readPublishOptions } from "../../../supabase/local/qstash/read-options.ts";
import { createScheduler } from "../../../supabase/local/qstash/schedule.ts";
import { openStore } from "../../../supabase/local/qstash/store/store.ts";
import { eventually } from "../../support/eventually.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import {
  call,
  currentSigningKey,
  nextSigningKey,
  pause,
  startDestination,
  startQStash,
} from "./harness.ts";

let qstash: Awaited<ReturnType<typeof startQStash>>;
let destination: ReturnType<typeof startDestination>;

beforeAll(async () => {
  destination = startDestination();
  // A minute passes in 100 ms.
  qstash = await startQStash({ timeScale: 600 });
});

afterAll(async () => {
  await qstash.close();
  await destination.close();
});

const never = "0 0 29 2 1";

describe("a schedule", () => {
  test("is created under its own id, and creating it again changes it", async () => {
    const { schedules } = qstash.client;
    const created = await schedules.create({
      scheduleId: "mine",
      destination: `${destination.url}/mine`,
      cron: never,
      body: '{"a":1}',
      method: "PUT",
      headers: { "X-App": "rise" },
      retries: 1,
      delay: 10,
      queueName: "mine-queue",
      label: "mine",
    });
    expect(created).toEqual({ scheduleId: "mine" });
    expect(await schedules.get("mine")).toMatchObject({
      scheduleId: "mine",
      cron: never,
      destination: `${destination.url}/mine`,
      method: "PUT",
      header: { "Content-Type": ["application/json"], "X-App": ["rise"] },
      body: '{"a":1}',
      retries: 1,
      delay: 10,
      queueName: "mine-queue",
      isPaused: false,
      label: "mine",
      createdAt: expect.any(Number),
      nextScheduleTime: expect.any(Number),
    });

    await schedules.create({
      scheduleId: "mine",
      destination: `${destination.url}/changed`,
      cron: "0 0 * * *",
    });
    const changed = await schedules.get("mine");
    expect(changed.nextScheduleTime! - changed.createdAt).toBeLessThanOrEqual(2 * 86_400_000);
    expect(changed).toMatchObject({ destination: `${destination.url}/changed`, cron: "0 0 * * *" });
    expect(changed.body).toBeUndefined();
    expect((await schedules.list()).filter(({ scheduleId }) => scheduleId === "mine")).toHaveLength(
      1,
    );

    await schedules.delete("mine");
    await expect(schedules.get("mine")).rejects.toMatchObject({ status: 404 });
  });

  test("sends its message at each of its times, with its id", async () => {
    const { scheduleId } = await qstash.client.schedules.create({
      destination: `${destination.url}/each-minute`,
      cron: "* * * * *",
      body: "tick",
      headers: { "Content-Type": "text/plain" },
    });
    await eventually(() => destination.to("/each-minute").length >= 3);
    const schedule = await qstash.client.schedules.get(scheduleId);
    await qstash.client.schedules.delete(scheduleId);

    expect(scheduleId).toMatch(/^scd_/);
    for (const { body, headers } of destination.to("/each-minute")) {
      expect(body).toBe("tick");
      expect(headers.get("upstash-schedule-id")).toBe(scheduleId);
    }
    const messageIds = destination.to("/each-minute").map(({ headers }) =>
      headers.get("upstash-message-id")
    );
    expect(new Set(messageIds).size).toBe(messageIds.length);
    expect((schedule.lastScheduleTime ?? 1) % 60_000).toBe(0);
    expect(Object.values(schedule.lastScheduleStates ?? {})).toHaveLength(1);

    await eventually(async () => {
      const { messages } = await (await call(qstash.url, "GET", "/v2/messages")).json();
      return messages.length === 0;
    });
    const sent = destination.to("/each-minute").length;
    await pause(250);
    expect(destination.to("/each-minute")).toHaveLength(sent);
  });

  test("sends nothing while it is paused", async () => {
    const { schedules } = qstash.client;
    const { scheduleId } = await schedules.create({
      destination: `${destination.url}/paused`,
      cron: "* * * * *",
    });
    async function created(): Promise<number> {
      const filter = { scheduleId, state: "CREATED" } as const;
      return (await qstash.client.logs({ filter })).logs.length;
    }
    await schedules.pause({ schedule: scheduleId });
    const { isPaused, nextScheduleTime = 0 } = await schedules.get(scheduleId);
    expect(isPaused).toBe(true);
    const whilePaused = await created();
    await eventually(async () =>
      ((await schedules.get(scheduleId)).nextScheduleTime ?? 0) >= nextScheduleTime + 120_000
    );
    expect(await created()).toBe(whilePaused);

    await schedules.resume({ schedule: scheduleId });
    expect((await schedules.get(scheduleId)).isPaused).toBe(false);
    await eventually(async () => await created() > whilePaused);
    await schedules.delete(scheduleId);
  });

  test("can send through a queue", async () => {
    const queue = qstash.client.queue({ queueName: "scheduled" });
    await queue.upsert({ paused: true });
    const { scheduleId } = await qstash.client.schedules.create({
      destination: `${destination.url}/queued`,
      cron: "* * * * *",
      queueName: "scheduled",
    });
    await eventually(async () => (await queue.get()).lag >= 1);
    await qstash.client.schedules.delete(scheduleId);
    expect(destination.to("/queued")).toHaveLength(0);
    await queue.resume();
    await eventually(() => destination.to("/queued").length >= 1);
  });

  test.each([
    [{}, "missing Upstash-Cron"],
    [{ "Upstash-Cron": "every day" }, "invalid cron"],
    [{ "Upstash-Cron": "* * * * * *" }, "invalid cron"],
    [{ "Upstash-Cron": "CRON_TZ=Mars/Olympus * * * * *" }, "invalid cron"],
    [{ "Upstash-Cron": never, "Upstash-Schedule-Id": "a/b" }, "invalid schedule id"],
    [{ "Upstash-Cron": never, "Upstash-Retries": "10000000000000000" }, "Upstash-Retries"],
  ])("with %o is refused", async (headers, message) => {
    const response = await call(qstash.url, "POST", `/v2/schedules/${destination.url}`, {
      headers: headers as HeadersInit,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: expect.stringContaining(message) });
  });
});

test("a schedule does not wait for the time that a clock showed before it was set back", async () => {
  await using folder = await tempFolder();
  const store = openStore(`${folder.path}/qstash.db`, {
    current: currentSigningKey,
    next: nextSigningKey,
  });
  let ahead = 0;
  const now = () => Date.now() + ahead;
  const clock = { now, realMillisecondsUntil: (instant: number) => instant - now() };
  const publish = createPublish({ store, clock });
  const start = () => createScheduler({ store, clock, publish, onPublished() {} });
  const createdAt = now();
  store.schedules.upsert({
    scheduleId: "each-minute",
    cron: "* * * * *",
    url: destination.url,
    queue: null,
    callerIp: "127.0.0.1",
    options: readPublishOptions(new Headers(), createdAt).options,
    body: new Uint8Array(),
    createdAt,
    nextAt: nextCronTime("* * * * *", createdAt),
  });
  const waits = () => store.schedules.find("each-minute")!.nextAt - Date.now();
  const day = 24 * 3_600_000;

  const scheduler = start();
  ahead = day;
  await eventually(() => waits() > day - 60_000);
  ahead = 0;
  await eventually(() => waits() <= 60_000);

  ahead = day;
  await eventually(() => waits() > day - 60_000);
  scheduler.close();
  ahead = 0;
  const next = start();
  await eventually(() => waits() <= 60_000);
  next.close();
  store.close();
});

describe("a cron expression", () => {
  const newYear = Date.UTC(2026, 0, 1);

  test("is read in UTC", () => {
    expect(new Date(nextCronTime("30 4 * * *", newYear)).toISOString()).toBe(
      "2026-01-01T04:30:00.000Z",
    );
  });

  test("is read in the zone it names, summer time included", () => {
    const next = (after: number) => nextCronTime("CRON_TZ=Europe/Paris 0 4 * * *", after);
    expect(new Date(next(newYear)).toISOString()).toBe("2026-01-01T03:00:00.000Z");
    expect(new Date(next(Date.UTC(2026, 6, 1))).toISOString()).toBe("2026-07-01T02:00:00.000Z");
  });
});
