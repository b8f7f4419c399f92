import { Hono } from "hono";
import { cancelMessages } from "../cancel.ts";
import { RequestError } from "../request-error.ts";
import { buildFilter } from "../store/filter.ts";
import { messageView } from "../wire.ts";
import type { RouteContext } from "./context.ts";
import { commonFields, readFilterFields, readPage } from "./query.ts";

const filterFields = [...commonFields, "messageIds", "host", "path"] as const;

/** `/v2/messages`. The list is this server's own: QStash itself shows messages one by one. */
export function messageRoutes(context: RouteContext): Hono {
  const { store, deliverer } = context;
  const app = new Hono();

  app.get("/v2/messages", async (c) => {
    const filter = buildFilter(readFilterFields(c.req.raw, filterFields), "m.created_at");
    const messages = store.messages.list(filter, readPage(c.req.raw).count);
    return c.json({ messages: await Promise.all(messages.map(messageView)) });
  });

  app.get("/v2/messages/:id", async (c) => {
    const message = store.messages.find(c.req.param("id"));
    if (!message) throw new RequestError(404, `message ${c.req.param("id")} not found`);
    return c.json(await messageView(message));
  });

  app.delete("/v2/messages/:id", (c) => {
    const cancelled = cancelMessages(context, new Map([["messageId", [c.req.param("id")]]]));
    if (cancelled === 0) throw new RequestError(404, `message ${c.req.param("id")} not found`);
    deliverer.wake();
    return c.json({ cancelled });
  });

  app.delete("/v2/messages", (c) => {
    const cancelled = cancelMessages(context, readFilterFields(c.req.raw, filterFields));
    deliverer.wake();
    return c.json({ cancelled });
  });

  return app;
}
