import type { Context } from "hono";
import type { RateLimiter } from "../rate-limit.ts";
import type { AppEnv } from "./app.ts";
import { HttpError } from "./error.ts";

/**
 * Counts a call of somebody, and says in `x-ratelimit-remaining` how many more they may make at once.
 *
 * @throws HttpError 429, with `retry-after` in seconds, where these were too many
 */
export async function withinLimit(
  context: Context<AppEnv>,
  limiter: RateLimiter,
  identifier: string,
): Promise<void> {
  const { allowed, remaining, resetAt } = await limiter(identifier);
  context.header("x-ratelimit-remaining", String(remaining));
  if (allowed) return;
  context.header("retry-after", String(Math.max(1, Math.ceil((resetAt - Date.now()) / 1000))));
  throw new HttpError(429, "too_many_requests", "These were too many calls. Try again shortly.");
}
