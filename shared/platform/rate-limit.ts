import { Ratelimit } from "@upstash/ratelimit";
import type { Redis } from "@upstash/redis";
import { BoundedMap } from "./bounded-map.ts";
import { createMeter, type Meter, type RateLimitDecision } from "./rate-limit-meter.ts";
import { type RateLimitRule, type RateLimitRules, refillOf } from "./rate-limit-rules.ts";
import type { Log } from "./log.ts";
import { askRedis } from "./redis.ts";

export type { RateLimitDecision };

export interface RateLimiter<Scope extends string> {
  /**
   * Counts one attempt and says whether it is allowed. Never rejects.
   *
   * @param identifier who attempts, a user's id or an address; only a hash of it is kept
   */
  limit(scope: Scope, identifier: string): Promise<RateLimitDecision>;
}

export interface RateLimiterOptions {
  log?: Log | undefined;
  /** A secret that goes into the hash of identifiers, so that addresses cannot be guessed from Redis's keys. */
  salt?: string;
  /** The time in milliseconds, for counting in memory. */
  now?: () => number;
  /** How many identifiers this process counts in memory. */
  capacity?: number;
}

/**
 * Counts in Redis for all instances, and in this process where there is no Redis or while it does not answer. It fails
 * open: with Redis away each instance grants the whole limit, and whom it no longer has room to count starts anew.
 */
export function createRateLimiter<Scope extends string>(
  redis: Redis | undefined,
  rules: RateLimitRules<Scope>,
  options: RateLimiterOptions = {},
): RateLimiter<Scope> {
  const { log, salt = "", now = Date.now, capacity = 10_000 } = options;
  const meters = new BoundedMap<Meter>(capacity);
  const ratelimits = new Map<Scope, Ratelimit>();

  const ratelimitOf = (redis: Redis, scope: Scope, rule: RateLimitRule) => {
    const ratelimit = ratelimits.get(scope) ?? createRatelimit(redis, scope, rule);
    ratelimits.set(scope, ratelimit);
    return ratelimit;
  };
  const meterOf = (key: string, rule: RateLimitRule) => {
    const meter = meters.get(key) ?? createMeter(rule);
    meters.set(key, meter);
    return meter;
  };

  return {
    async limit(scope, identifier) {
      const rule = rules[scope];
      if (!rule) {
        return { allowed: true, limit: Infinity, remaining: Infinity, resetAt: now() };
      }
      const hash = await hashOf(salt + identifier);
      return askRedis({
        redis,
        ask: async (redis) => {
          const answer = await ratelimitOf(redis, scope, rule).limit(hash);
          return {
            allowed: answer.success,
            limit: answer.limit,
            remaining: answer.remaining,
            resetAt: answer.reset,
          };
        },
        fallback: () => meterOf(`${scope}:${hash}`, rule)(now()),
        what: "count a rate limit",
        log,
      });
    },
  };
}

function createRatelimit(redis: Redis, scope: string, rule: RateLimitRule): Ratelimit {
  const { tokens, everyMs } = refillOf(rule);
  const limiters = {
    fixedWindow: () => Ratelimit.fixedWindow(rule.limit, `${rule.windowMs} ms`),
    slidingWindow: () => Ratelimit.slidingWindow(rule.limit, `${rule.windowMs} ms`),
    tokenBucket: () => Ratelimit.tokenBucket(tokens, `${everyMs} ms`, rule.limit),
  };
  return new Ratelimit({
    redis,
    limiter: limiters[rule.algorithm](),
    prefix: `phoenix:limit:${scope}`,
    // Redis alone decides, and its client has a time limit of its own.
    ephemeralCache: false,
    timeout: 0,
  });
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash, 0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
