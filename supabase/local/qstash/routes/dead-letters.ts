import { Hono } from "hono";
import { RequestError } from "../request-error.ts";
import type { DeadLetter } from "../store/dead-letters.ts";
import { buildFilter } from "../store/filter.ts";
import { deadLetterView } from "../wire.ts";
import type { RouteContext } from "./context.ts";
import { commonFields, readFilterFields, readPage } from "./query.ts";

const filterFields = [...commonFields, "messageId", "dlqIds", "responseStatus"] as const;

/** `/v2/dlq`. */
export function deadLetterRoutes({ store, publish, deliverer }: RouteContext): Hono {
  const app = new Hono();

  /** The letters a request names, and the cursor to those beyond its count. */
  function select(request: Request): { letters: DeadLetter[]; cursor?: string } {
    const filter = buildFilter(readFilterFields(request, filterFields), "d.died_at");
    const { count, cursor } = readPage(request);
    const found = store.deadLetters.list(filter, count + 1, cursor);
    const letters = found.slice(0, count);
    const last = letters.at(-1);
    return found.length > count && last ? { letters, cursor: String(last.sequence) } : { letters };
  }

  function find(dlqId: string): DeadLetter {
    const letter = store.deadLetters.find(dlqId);
    if (!letter) throw new RequestError(404, `dlq message ${dlqId} not found`);
    return letter;
  }

  /** Publishes a letter's message anew and removes the letter. */
  function retry({ message }: DeadLetter): { messageId: string } {
    return store.transaction(() => {
      store.messages.remove(message.messageId);
      const { url, body, options, queue, scheduleId, callerIp } = message;
      return publish({
        url,
        body,
        options: { ...options, delay: 0 },
        queue,
        scheduleId,
        callerIp,
      });
    });
  }

  app.get("/v2/dlq", async (c) => {
    const { letters, cursor } = select(c.req.raw);
    return c.json({ messages: await Promise.all(letters.map(deadLetterView)), cursor });
  });

  app.get("/v2/dlq/:id", async (c) => c.json(await deadLetterView(find(c.req.param("id")))));

  app.delete("/v2/dlq/:id", (c) => {
    store.messages.remove(find(c.req.param("id")).message.messageId);
    return c.body(null, 200);
  });

  app.delete("/v2/dlq", (c) => {
    const { letters, cursor } = select(c.req.raw);
    store.transaction(() => {
      for (const { message } of letters) store.messages.remove(message.messageId);
    });
    return c.json({ deleted: letters.length, cursor });
  });

  app.post("/v2/dlq/retry/:id", (c) => {
    const answer = retry(find(c.req.param("id")));
    deliverer.wake();
    return c.json(answer, 201);
  });

  app.post("/v2/dlq/retry", (c) => {
    const { letters, cursor } = select(c.req.raw);
    const named = readFilterFields(c.req.raw, filterFields).get("dlqIds")?.length;
    if (named !== undefined && letters.length < named) {
      throw new RequestError(404, "some messages were not found in the dlq");
    }
    const responses = store.transaction(() => letters.map(retry));
    deliverer.wake();
    return c.json({ responses, cursor }, 201);
  });

  return app;
}
