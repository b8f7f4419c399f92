import { Hono } from "hono";
import type { RouteContext } from "./context.ts";

/** `/v2/keys`. */
export function keyRoutes({ store }: RouteContext): Hono {
  const app = new Hono();
  app.get("/v2/keys", (c) => c.json(store.settings.signingKeys()));
  app.post("/v2/keys/rotate", (c) => c.json(store.settings.rotateSigningKeys()));
  return app;
}
