import { checkHealth } from "../../shared/platform/health.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { openServices } from "../../shared/platform/services.ts";

const services = openServices("health");
const app = createApp("health");

app.get("/", async (context) => {
  const health = await checkHealth(services);
  return context.json(health, health.status === "unhealthy" ? 503 : 200);
});

export default { fetch: app.fetch };
