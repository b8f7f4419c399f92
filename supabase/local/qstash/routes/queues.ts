import { Hono } from "hono";
import { z } from "zod";
import { RequestError } from "../request-error.ts";
import { cancelMessages } from "../cancel.ts";
import type { RouteContext } from "./context.ts";
import { validName } from "./request.ts";

const UpsertQueue = z.object({
  queueName: z.string(),
  parallelism: z.int().min(1).default(1),
  paused: z.boolean().default(false),
});

/** `/v2/queues`. */
export function queueRoutes(context: RouteContext): Hono {
  const { store, clock, deliverer } = context;
  const app = new Hono();

  app.post("/v2/queues", async (c) => {
    const upsert = UpsertQueue.safeParse(await c.req.json().catch(() => undefined));
    if (!upsert.success) {
      throw new RequestError(400, "invalid queue: parallelism must be at least 1");
    }
    const { queueName, parallelism, paused } = upsert.data;
    store.queues.upsert(validName(queueName, "queue name"), parallelism, paused, clock.now());
    deliverer.wake();
    return c.body(null, 200);
  });

  app.get("/v2/queues", (c) => c.json(store.queues.list()));

  app.get("/v2/queues/:name", (c) => {
    const queue = store.queues.find(validName(c.req.param("name"), "queue name"));
    if (!queue) throw new RequestError(404, `queue ${c.req.param("name")} not found`);
    return c.json(queue);
  });

  app.delete("/v2/queues/:name", (c) => {
    const name = validName(c.req.param("name"), "queue name");
    store.transaction(() => {
      cancelMessages(context, new Map([["queueName", [name]]]));
      store.queues.remove(name);
    });
    return c.body(null, 200);
  });

  for (const action of ["pause", "resume"] as const) {
    app.post(`/v2/queues/:name/${action}`, (c) => {
      const name = validName(c.req.param("name"), "queue name");
      if (!store.queues.setPaused(name, action === "pause", clock.now())) {
        throw new RequestError(404, `queue ${name} not found`);
      }
      deliverer.wake();
      return c.body(null, 200);
    });
  }

  return app;
}
