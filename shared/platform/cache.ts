import type { Redis } from "@upstash/redis";
import { BoundedMap } from "./bounded-map.ts";
import type { Log } from "./log.ts";
import { parseJson } from "./parse-json.ts";
import { askRedis } from "./redis.ts";

/** Values that are dear to work out and may be a little old. */
export interface Cache {
  /**
   * The value kept under a key, or what `load` returns, which is then kept for `ttlSeconds`. Callers who ask for the
   * same key at the same time share one load; one that fails is kept for nobody.
   *
   * @param load returns what JSON can hold
   */
  getOrLoad<T>(key: string, ttlSeconds: number, load: () => Promise<T>): Promise<T>;
  /** Forgets a key. A load that is under way does not bring the old value back. */
  invalidate(key: string): Promise<void>;
  /** Forgets every key that begins with `prefix`. Redis looks through all its keys for that. */
  invalidatePrefix(prefix: string): Promise<void>;
}

export interface CacheOptions {
  log?: Log | undefined;
  /** The time in milliseconds. */
  now?: () => number;
  /** How many values this process keeps while there is no Redis. */
  capacity?: number;
}

const NAMESPACE = "phoenix:cache:";

/**
 * A cache in Redis, shared by all instances; in this process alone where there is no Redis or while it does not answer.
 * What Redis cannot be told to forget while it is away lives there until its time is over.
 */
export function createCache(redis: Redis | undefined, options: CacheOptions = {}): Cache {
  const { log, now = Date.now, capacity = 1_000 } = options;
  const memory = new BoundedMap<{ json: string; expiresAt: number }>(capacity);
  const loads = new Map<string, { value: Promise<unknown> }>();

  // The value stands in an object, which tells a kept null from none.
  const read = <T>(key: string) =>
    askRedis<{ value: T } | null>({
      redis,
      ask: (redis) => redis.get<{ value: T }>(NAMESPACE + key),
      fallback: () => {
        const kept = memory.get(key);
        return kept && kept.expiresAt > now() ? parseJson(kept.json) as { value: T } : null;
      },
      what: "read the cache",
      log,
    });

  const write = (key: string, value: unknown, ttlMs: number) =>
    askRedis<unknown>({
      redis,
      ask: (redis) => redis.set(NAMESPACE + key, { value }, { px: ttlMs }),
      fallback: () =>
        memory.set(key, { json: JSON.stringify({ value }), expiresAt: now() + ttlMs }),
      what: "write the cache",
      log,
    });

  return {
    getOrLoad<T>(key: string, ttlSeconds: number, load: () => Promise<T>): Promise<T> {
      const shared = loads.get(key);
      if (shared) return shared.value as Promise<T>;

      const isCurrent = () => loads.get(key) === own;
      const own = {
        value: (async () => {
          try {
            const kept = await read<T>(key);
            if (kept) return kept.value;
            const value = await load();
            if (isCurrent()) await write(key, value, Math.ceil(ttlSeconds * 1_000));
            return value;
          } finally {
            if (isCurrent()) loads.delete(key);
          }
        })(),
      };
      loads.set(key, own);
      return own.value;
    },

    async invalidate(key) {
      loads.delete(key);
      memory.delete(key);
      await askRedis<unknown>({
        redis,
        ask: (redis) => redis.unlink(NAMESPACE + key),
        fallback: () => {},
        what: "invalidate the cache",
        log,
      });
    },

    async invalidatePrefix(prefix) {
      for (const key of [...loads.keys(), ...memory.keys()].filter((k) => k.startsWith(prefix))) {
        loads.delete(key);
        memory.delete(key);
      }
      await askRedis({
        redis,
        ask: (redis) => unlinkMatching(redis, `${asPattern(NAMESPACE + prefix)}*`),
        fallback: () => {},
        what: "invalidate the cache",
        log,
      });
    },
  };
}

async function unlinkMatching(redis: Redis, match: string): Promise<void> {
  let cursor = "0";
  do {
    const [next, keys] = await redis.scan(cursor, { match, count: 1_000 });
    if (keys.length > 0) await redis.unlink(...keys);
    cursor = next;
  } while (cursor !== "0");
}

/** Text as a pattern of Redis that matches only itself. */
function asPattern(text: string): string {
  return text.replace(/[\\*?[\]]/g, "\\$&");
}
