import { timeout, TimeoutStrategy } from "cockatiel";
import { qstashFromEnv } from "./qstash.ts";
import type { Services } from "./services.ts";

/** How one part stands: up, down, or absent where it is not set up and something else serves. */
export interface Check {
  status: "up" | "down" | "absent";
  latency_ms: number;
}

export interface Health {
  /** Unhealthy without the database; degraded where another part is down. */
  status: "healthy" | "degraded" | "unhealthy";
  timestamp: string;
  checks: { database: Check; redis: Check; qstash: Check };
}

const soon = timeout(2_000, TimeoutStrategy.Aggressive);

/** Asks every part whether it serves, all at once, none for longer than two seconds. */
export async function checkHealth(
  { database, redis, env }: Pick<Services, "database" | "redis" | "env">,
): Promise<Health> {
  const qstash = qstashFromEnv(env);
  const [databaseCheck, redisCheck, qstashCheck] = await Promise.all([
    check(() => database`select 1`),
    check(redis && (() => redis.ping())),
    check(qstash && (() => qstash.schedules.list())),
  ]);
  const checks = { database: databaseCheck, redis: redisCheck, qstash: qstashCheck };
  return {
    status: checks.database.status === "down"
      ? "unhealthy"
      : Object.values(checks).some(({ status }) => status === "down")
      ? "degraded"
      : "healthy",
    timestamp: new Date().toISOString(),
    checks,
  };
}

async function check(ask: (() => PromiseLike<unknown>) | undefined): Promise<Check> {
  const startedAt = performance.now();
  if (!ask) return { status: "absent", latency_ms: 0 };
  const status = await soon.execute(ask).then(() => "up" as const, () => "down" as const);
  return { status, latency_ms: Math.round(performance.now() - startedAt) };
}
