import {
  analyticsQuery,
  aubeMetrics,
  ecosystemStats,
  nudgeExperiments,
} from "../../shared/flywheel/analytics.ts";
import { createCache } from "../../shared/platform/cache.ts";
import { createApp } from "../../shared/platform/http/app.ts";
import { callerOf } from "../../shared/platform/http/auth.ts";
import { revalidated } from "../../shared/platform/http/revalidated.ts";
import { validate } from "../../shared/platform/http/validate.ts";
import { openServices } from "../../shared/platform/services.ts";

const services = openServices("analytics");
const { database } = services;
const cache = createCache(services.redis, services);
const app = createApp("analytics");

const freshSeconds = 60;

const figures = { ecosystem: ecosystemStats, aube: aubeMetrics, nudges: nudgeExperiments };

for (const [name, read] of Object.entries(figures)) {
  app.get(`/${name}`, revalidated, async (context) => {
    await callerOf(context, "secret");
    const { days } = validate(analyticsQuery, context.req.query());
    context.header("cache-control", "private, no-cache");
    return context.json(
      await cache.getOrLoad(`analytics:${name}:${days}`, freshSeconds, () => read(database, days)),
    );
  });
}

export default { fetch: app.fetch };
