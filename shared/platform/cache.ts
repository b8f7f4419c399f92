import type { Redis } from "@upstash/redis";
import { BoundedMap } from "./bounded-map.ts";
import type { Log } from "./log.ts";
import { parseJson } from "./parse-json.ts";
import { askRedis } from "./redis.ts";

/** Values that are expensive to work out and may be a little old. */
export interface Cache {
  /**
   * The value kept under a key, or what `load` returns, which is then kept for `ttlSeconds`. Callers who ask for the
   * same key at the same time share one load; one that fails rejects for all of them and is not kept.
   *
   * @param load returns what JSON can hold
   */
  getOrLoad<T>(key: string, ttlSeconds: number, load: () => Promise<T>): Promise<T>;
}

export interface CacheOptions {
  log?: Log | undefined;
  /** A time in milliseconds that is never set back. */
  now?: () => number;
  /** How many values this process keeps while there is no Redis. */
  capacity?: number;
}

const NAMESPACE = "phoenix:cache:";

/** A cache in Redis, shared by all instances; in this process alone where there is no Redis or while it does not answer. */
export function createCache(redis: Redis | undefined, options: CacheOptions = {}): Cache {
  const { log, now = () => performance.now(), capacity = 1_000 } = options;
  const memory = new BoundedMap<{ json: string; expiresAt: number }>(capacity);
  const loads = new Map<string, Promise<unknown>>();

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

  async function readOrLoad<T>(key: string, ttlMs: number, load: () => Promise<T>): Promise<T> {
    const kept = await read<T>(key);
    if (kept) return kept.value;
    const value = await load();
    await write(key, value, ttlMs);
    return value;
  }

  return {
    getOrLoad<T>(key: string, ttlSeconds: number, load: () => Promise<T>): Promise<T> {
      const shared = loads.get(key);
      if (shared) return shared as Promise<T>;
      const own = readOrLoad(key, Math.ceil(ttlSeconds * 1_000), load)
        .finally(() => loads.delete(key));
      loads.set(key, own);
      return own;
    },
  };
}
