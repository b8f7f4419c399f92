import type { Context } from "hono";
import { dashboardOf, journeyOf } from "../../shared/domain/dashboard.ts";
import type { State } from "../../shared/domain/reactor.ts";
import { defaultSettings, type Settings } from "../../shared/domain/settings.ts";
import { readGlobalContext, readMemory } from "../../shared/flywheel/user.ts";
import { createCache } from "../../shared/platform/cache.ts";
import { type AppEnv, createApp } from "../../shared/platform/http/app.ts";
import { type Caller, callerOf } from "../../shared/platform/http/auth.ts";
import { HttpError } from "../../shared/platform/http/error.ts";
import { openServices } from "../../shared/platform/services.ts";

const services = openServices("user");
const { database } = services;
const cache = createCache(services.redis, services);
const app = createApp("user");

const contextSeconds = 60;

app.get("/:user_id/journey", async (context) => {
  const { states, settings } = await memoryOf(await visitOf(context), context);
  return context.json(journeyOf(states, Date.now(), settings));
});

app.get("/:user_id/dashboard", async (context) => {
  const visit = await visitOf(context);
  const [{ states, settings }, everybody] = await Promise.all([
    memoryOf(visit, context),
    cache.getOrLoad(
      "dashboard:global-context",
      contextSeconds,
      () => readGlobalContext(database),
    ),
  ]);
  return context.json(dashboardOf(visit.userId, states, Date.now(), settings, everybody));
});

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Whose page is asked for, and by whom. */
interface Visit {
  userId: string;
  caller: Caller;
}

/**
 * A visit to the page in the address, by its user or with a secret key.
 *
 * @throws HttpError 403 for another user
 */
async function visitOf(context: Context<AppEnv, "/:user_id/*">): Promise<Visit> {
  const caller = await callerOf(context, "user", "secret");
  const userId = context.req.param("user_id").toLowerCase();
  if (caller.kind === "user" && caller.userId !== userId) {
    throw new HttpError(403, "forbidden", "A user sees their own pages alone.");
  }
  return { userId, caller };
}

/**
 * What is remembered of a page's user. A user who has just signed up is not unknown to themself: nothing is remembered of them yet.
 *
 * @throws HttpError 404 where nobody knows the user, 503 while they are folded anew
 */
async function memoryOf(
  { userId, caller }: Visit,
  context: Context<AppEnv>,
): Promise<{ states: State; settings: Settings }> {
  const memory = uuid.test(userId)
    ? await readMemory(database, userId)
    : { kind: "unknown" as const };
  switch (memory.kind) {
    case "fresh":
      return memory;
    case "stale":
      context.header("retry-after", "2");
      throw new HttpError(503, "being_rebuilt", "This page is being rebuilt. Try again shortly.");
    case "unknown":
      if (caller.kind === "user") return { states: {}, settings: defaultSettings };
      throw new HttpError(404, "user_not_found", "There is no such user.");
  }
}

export default { fetch: app.fetch };
