import { Hono } from "hono";
import { buildFilter } from "../store/filter.ts";
import type { RouteContext } from "./context.ts";
import { commonFields, readFilterFields, readPage } from "./query.ts";

const filterFields = [...commonFields, "messageId", "messageIds", "host", "path", "state"] as const;

/** `/v2/logs`, and `/v2/events` as the SDK still calls it. */
export function logRoutes({ store }: RouteContext): Hono {
  const app = new Hono();

  function page(request: Request) {
    const filter = buildFilter(readFilterFields(request, filterFields), "m.time");
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
