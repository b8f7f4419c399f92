import { type RateLimitRule, refillOf } from "./rate-limit-rules.ts";

/** Whether something may be done now. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** How often it may be done in all; infinite in a scope without a rule. */
  readonly limit: number;
  /** How often it may still be done at once. */
  readonly remaining: number;
  /** When more is allowed again, in milliseconds since 1970. */
  readonly resetAt: number;
}

/** Counts one attempt of one identifier at a time in milliseconds, and decides on it. */
export type Meter = (now: number) => RateLimitDecision;

/** The algorithms as `@upstash/ratelimit` runs them in Redis, decision for decision, in memory. */
export function createMeter(rule: RateLimitRule): Meter {
  return { fixedWindow, slidingWindow, tokenBucket }[rule.algorithm](rule);
}

function fixedWindow({ limit, windowMs }: RateLimitRule): Meter {
  let window = 0;
  let used = 0;
  return (now) => {
    const current = Math.floor(now / windowMs);
    if (current !== window) [window, used] = [current, 0];
    used += 1;
    return {
      allowed: used <= limit,
      limit,
      remaining: Math.max(0, limit - used),
      resetAt: (current + 1) * windowMs,
    };
  };
}

function slidingWindow({ limit, windowMs }: RateLimitRule): Meter {
  let window = 0;
  let used = 0;
  let usedBefore = 0;
  return (now) => {
    const current = Math.floor(now / windowMs);
    if (current !== window) {
      usedBefore = current === window + 1 ? used : 0;
      [window, used] = [current, 0];
    }
    const stillCounts = Math.floor((1 - (now % windowMs) / windowMs) * usedBefore);
    const allowed = stillCounts + used < limit;
    if (allowed) used += 1;
    return {
      allowed,
      limit,
      remaining: allowed ? limit - used - stillCounts : 0,
      resetAt: (current + 1) * windowMs,
    };
  };
}

function tokenBucket(rule: RateLimitRule): Meter {
  const { limit } = rule;
  const refill = refillOf(rule);
  let tokens = limit;
  let refilledAt: number | undefined;
  return (now) => {
    refilledAt ??= now;
    const refills = Math.max(0, Math.floor((now - refilledAt) / refill.everyMs));
    tokens = Math.min(limit, tokens + refills * refill.tokens);
    refilledAt += refills * refill.everyMs;
    const allowed = tokens >= 1;
    if (allowed) tokens -= 1;
    return { allowed, limit, remaining: tokens, resetAt: refilledAt + refill.everyMs };
  };
}
