import { Hono } from "hono";
import { buildFilter } from "../store/filter.ts";
import type { RouteContext } from "./context.ts";
import { commonFields, readFilterFields, readPage } from "./query.ts";

const filterFields = [...commonFields, "messageId", "messageIds", "host", "path", "state"] as const;

/** What the filter's state `IN_PROGRESS` stands for. */
const inProgress = ["ACTIVE", "RETRY", "ERROR"];

/** `/v2/logs`, and `/v2/events` as the SDK still calls it. */
export function logRoutes({ store }: RouteContext): Hono {
  const app = new Hono();

  function page(request: Request) {
    const fields = readFilterFields(request, filterFields);
    const states = fields.get("state")?.flatMap((state) =>
      state === "IN_PROGRESS" ? inProgress : [state]
    );
    if (states) fields.set("state", states);
    const filter = buildFilter(fields, "m.time");
    const { count, cursor } = readPage(request);
    const found = store.logs.list(filter, count + 1, cursor);
    const shown = found.slice(0, count);
    return {
      cursor: found.length > count ? String(shown.at(-1)?.sequence) : undefined,
      entries: shown.map(({ entry }) => entry),
    };
  }

  app.get("/v2/events", (c) => {
    const { cursor, entries } = page(c.req.raw);
    return c.json({ cursor, events: entries });
  });

  app.get("/v2/logs", (c) => {
    const { cursor, entries } = page(c.req.raw);
    return c.json({ cursor, logs: entries });
  });

  return app;
}
