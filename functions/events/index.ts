import { catalogueSchemas } from "../../shared/domain/events/catalogue.ts";
import { createDeliverer } from "../../shared/flywheel/deliver.ts";
import { eventsQuery, listEvents } from "../../shared/flywheel/events.ts";
import { processQueue } from "../../shared/flywheel/process.ts";
import { createPublisher } from "../../shared/flywheel/publish.ts";
import { createPendingEvents, queueStatus } from "../../shared/flywheel/queue.ts";
import {
  replayProgress,
  reprocess,
  reprocessRequest,
  stopReplays,
} from "../../shared/flywheel/replay.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { callerOf } from "../../shared/platform/http/auth.ts";
import { readJson } from "../../shared/platform/http/body.ts";
import { secretOrSigned } from "../../shared/platform/http/signature.ts";
import { validate } from "../../shared/platform/http/validate.ts";
import { withinLimit } from "../../shared/platform/http/within-limit.ts";
import { createRateLimiter } from "../../shared/platform/rate-limit.ts";
import { openServices } from "../../shared/platform/services.ts";
import { publicationStatus } from "./publication-status.ts";

const services = openServices("events");
const { database } = services;
const app = createApp("events");
const publish = createPublisher(database);
const deliver = createDeliverer(services);
const instance = { workers: 0 };
const pendingEvents = createPendingEvents(database);

const mebibyte = 1_048_576;
/** Publications of one user; each may carry hundreds of events, and apps catch up after having been offline. */
const publishing = createRateLimiter(services.redis, {
  name: "publishing",
  limit: 6_000,
  windowMs: 60_000,
}, services);
const catalogue = JSON.stringify(catalogueSchemas());

app.post("/", async (context) => {
  const caller = await callerOf(context, "user", "secret");
  const publisher = caller.kind === "user" ? caller.userId : undefined;
  const [body] = await Promise.all([
    readJson(context, mebibyte),
    publisher && withinLimit(context, publishing, publisher),
  ]);
  const publication = await publish(body, publisher);
  const { status, error } = publicationStatus(publication);
  return context.json(
    { ...publication, ...error?.toBody(context.get("requestId")) },
    status,
  );
});

app.get("/", async (context) => {
  const { userId } = await callerOf(context, "user");
  const page = await listEvents(database, userId, validate(eventsQuery, context.req.query()));
  return context.body(page, 200, { "content-type": "application/json" });
});

app.get("/catalogue", (context) => {
  context.header("cache-control", "public, max-age=300");
  return context.body(catalogue, 200, { "content-type": "application/json" });
});

app.get("/queue-status", async (context) => {
  await callerOf(context, "secret");
  return context.json(await queueStatus(database));
});

app.post("/process-queue", async (context) => {
  await secretOrSigned(context, services);
  const log = context.get("log");
  const done = await processQueue(database, { log, deliver: () => deliver(log), instance });
  return context.json({ ...done, remaining: await pendingEvents() });
});

app.post("/force-reprocess", async (context) => {
  const body = await secretOrSigned(context, services);
  const request = validate(reprocessRequest, body, { nulls: "refused" });
  return context.json(await reprocess(database, request));
});

app.get("/force-reprocess", async (context) => {
  await callerOf(context, "secret");
  return context.json(await replayProgress(database));
});

app.delete("/force-reprocess", async (context) => {
  await callerOf(context, "secret");
  return context.json(await stopReplays(database));
});

export default { fetch: app.fetch };
