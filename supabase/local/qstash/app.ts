import { Hono } from "hono";
import { RequestError } from "./request-error.ts";
import type { RouteContext } from "./routes/context.ts";
import { deadLetterRoutes } from "./routes/dead-letters.ts";
import { keyRoutes } from "./routes/keys.ts";
import { logRoutes } from "./routes/logs.ts";
import { messageRoutes } from "./routes/messages.ts";
import { publishRoutes } from "./routes/publish.ts";
import { queueRoutes } from "./routes/queues.ts";
import { scheduleRoutes } from "./routes/schedules.ts";

/** QStash's HTTP API: every route behind the token, every error as `{ "error": "…" }`. */
export function createApp(context: RouteContext, token: string): Hono {
  const app = new Hono();

  app.use("/v2/*", async (c, next) => {
    const given = c.req.header("authorization")?.replace(/^Bearer\s+/i, "") ??
      c.req.query("qstash_token");
    if (given !== token) throw new RequestError(401, "unable to authenticate: invalid token");
    await next();
  });

  app.get("/health", (c) => c.json({ status: "healthy" }));
  for (
    const routes of [
      publishRoutes,
      queueRoutes,
      scheduleRoutes,
      messageRoutes,
      deadLetterRoutes,
      logRoutes,
      keyRoutes,
    ]
  ) app.route("/", routes(context));

  app.notFound((c) => c.json({ error: "not found" }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestError) return c.json({ error: error.message }, error.status);
    console.error(error);
    return c.json({ error: "internal server error" }, 500);
  });
  return app;
}
