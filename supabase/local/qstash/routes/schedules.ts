import { Hono } from "hono";
import { nextCronTime } from "../cron.ts";
import { createIdentifier } from "../identifier.ts";
import { readDestination, readPublishOptions } from "../read-options.ts";
import { RequestError } from "../request-error.ts";
import { scheduleView } from "../wire.ts";
import type { RouteContext } from "./context.ts";
import { callerIp, destinationAfter, validName } from "./request.ts";

/** `/v2/schedules`. */
export function scheduleRoutes({ store, clock, scheduler }: RouteContext): Hono {
  const app = new Hono();

  for (const action of ["pause", "resume"] as const) {
    // The SDK sends PATCH, the API's documents say POST: QStash takes both.
    app.on(["PATCH", "POST"], `/v2/schedules/:id/${action}`, (c) => {
      if (!store.schedules.setPaused(c.req.param("id"), action === "pause")) {
        throw notFound(c.req.param("id"));
      }
      return c.body(null, 200);
    });
  }

  app.post("/v2/schedules/*", async (c) => {
    const { headers } = c.req.raw;
    const cron = headers.get("upstash-cron")?.trim();
    if (!cron) throw new RequestError(400, "missing Upstash-Cron header");
    const queue = headers.get("upstash-queue-name");
    const now = clock.now();
    const scheduleId = validName(
      headers.get("upstash-schedule-id") ?? createIdentifier("scd"),
      "schedule id",
    );
    store.schedules.upsert({
      scheduleId,
      cron,
      url: readDestination(destinationAfter("/v2/schedules/", c.req.raw)),
      queue: queue === null ? null : validName(queue, "queue name"),
      callerIp: callerIp(c.req.raw),
      options: readPublishOptions(headers, now).options,
      body: await c.req.raw.bytes(),
      createdAt: now,
      nextAt: nextCronTime(cron, now),
    });
    scheduler.wake();
    return c.json({ scheduleId });
  });

  app.get(
    "/v2/schedules",
    async (c) => c.json(await Promise.all(store.schedules.list().map(scheduleView))),
  );

  app.get("/v2/schedules/:id", async (c) => {
    const schedule = store.schedules.find(c.req.param("id"));
    if (!schedule) throw notFound(c.req.param("id"));
    return c.json(await scheduleView(schedule));
  });

  app.delete("/v2/schedules/:id", (c) => {
    store.schedules.remove(c.req.param("id"));
    return c.body(null, 200);
  });

  return app;
}

function notFound(scheduleId: string): RequestError {
  return new RequestError(404, `schedule ${scheduleId} not found`);
}
