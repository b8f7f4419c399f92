import { createHash } from "node:crypto";
import { Ratelimit } from "@upstash/ratelimit";
import type { Redis } from "@upstash/redis";
import { BoundedMap } from "./bounded-map.ts";
import type { Log } from "./log.ts";
import { askRedis } from "./redis.ts";

/** How often somebody may do something: `limit` times at once, and again as much, evenly, in `windowMs`: a token bucket. */
export interface RateLimitRule {
  /** What is limited, for Redis's keys. */
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
}

/** Whether something may be done now. */
export interface RateLimitDecision {
  readonly allowed: boolean;
  /** How often it may still be done at once. */
  readonly remaining: number;
  /** When more is allowed again, in milliseconds since 1970. */
  readonly resetAt: number;
}

/**
 * Counts one attempt and says whether it is allowed. Never rejects.
 *
 * @param identifier who attempts, such as a user's id; only a hash of it is kept
 */
export type RateLimiter = (identifier: string) => Promise<RateLimitDecision>;

export interface RateLimiterOptions {
  log?: Log | undefined;
  /** The time in milliseconds, for counting in memory. */
  now?: () => number;
  /** How many identifiers this process counts in memory. */
  capacity?: number;
}

/**
 * Counts in Redis for all instances, and in this process where there is no Redis or while it does not answer. It fails
 * open: with Redis away each instance grants the whole limit, and an identifier that it no longer has room for starts anew.
 */
export function createRateLimiter(
  redis: Redis | undefined,
  rule: RateLimitRule,
  { log, now = Date.now, capacity = 10_000 }: RateLimiterOptions = {},
): RateLimiter {
  const buckets = new BoundedMap<Bucket>(capacity);
  const ratelimit = redis && createRatelimit(redis, rule);

  return async (identifier) => {
    const hash = hashOf(identifier);
    return await askRedis({
      redis,
      ask: async () => {
        const { success, remaining, reset } = await ratelimit!.limit(hash);
        return { allowed: success, remaining, resetAt: reset };
      },
      fallback: () => {
        const bucket = buckets.get(hash) ?? { tokens: rule.limit, refilledAt: now() };
        buckets.set(hash, bucket);
        return take(bucket, rule, now());
      },
      what: "count a rate limit",
      log,
    });
  };
}

function createRatelimit(redis: Redis, rule: RateLimitRule): Ratelimit {
  const { tokens, everyMs } = refillOf(rule);
  return new Ratelimit({
    redis,
    limiter: Ratelimit.tokenBucket(tokens, `${everyMs} ms`, rule.limit),
    prefix: `phoenix:limit:${rule.name}`,
    // Redis alone decides, and its client has a time limit of its own.
    ephemeralCache: false,
    timeout: 0,
  });
}

interface Bucket {
  tokens: number;
  refilledAt: number;
}

/** Takes a token, decision for decision as `@upstash/ratelimit` does in Redis. */
function take(bucket: Bucket, rule: RateLimitRule, now: number): RateLimitDecision {
  const { tokens, everyMs } = refillOf(rule);
  // Where the clock was set back, the bucket fills from now on, not from when that time comes again.
  bucket.refilledAt = Math.min(bucket.refilledAt, now);
  const refills = Math.floor((now - bucket.refilledAt) / everyMs);
  bucket.tokens = Math.min(rule.limit, bucket.tokens + refills * tokens);
  bucket.refilledAt += refills * everyMs;
  const allowed = bucket.tokens >= 1;
  if (allowed) bucket.tokens -= 1;
  return { allowed, remaining: bucket.tokens, resetAt: bucket.refilledAt + everyMs };
}

/** How a bucket fills: so many tokens at a time, and how often. */
function refillOf({ limit, windowMs }: RateLimitRule): { tokens: number; everyMs: number } {
  const tokens = Math.max(1, Math.round(limit / windowMs));
  return { tokens, everyMs: Math.max(1, Math.round((tokens * windowMs) / limit)) };
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
