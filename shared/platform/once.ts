import type { Redis } from "@upstash/redis";
import { BoundedMap } from "./bounded-map.ts";
import type { Log } from "./log.ts";
import { askRedis } from "./redis.ts";

/** Remembers what has been seen, so that a message that is sent twice counts once. */
export interface Once {
  /**
   * Whether a key is seen for the first time within `ttlSeconds`. The key should name one sending, a signature or a
   * signed message's id and attempt, so that a sender who repeats a message that failed is heard again.
   */
  firstTime(key: string, ttlSeconds: number): Promise<boolean>;
}

export interface OnceOptions {
  log?: Log | undefined;
  /** The time in milliseconds. */
  now?: () => number;
  /** How many keys this process remembers. */
  capacity?: number;
}

/**
 * Remembers in Redis for all instances, and always in this process, which has to do where there is no Redis or while it
 * does not answer: another instance may then take a replay for new.
 */
export function createOnce(redis: Redis | undefined, options: OnceOptions = {}): Once {
  const { log, now = Date.now, capacity = 10_000 } = options;
  const seenUntil = new BoundedMap<number>(capacity);

  return {
    firstTime(key, ttlSeconds) {
      const ttlMs = Math.ceil(ttlSeconds * 1_000);
      if ((seenUntil.get(key) ?? 0) > now()) return Promise.resolve(false);
      seenUntil.set(key, now() + ttlMs);
      return askRedis({
        redis,
        ask: async (redis) =>
          await redis.set(`phoenix:once:${key}`, 1, { nx: true, px: ttlMs }) === "OK",
        fallback: () => true,
        what: "remember what was seen",
        log,
      });
    },
  };
}
