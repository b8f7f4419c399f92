import { connect, type Database } from "./database.ts";
import { type Env, readEnv } from "./env.ts";
import { createLog, type Log } from "./log.ts";
import { createOnce, type Once } from "./once.ts";
import { redisFromEnv } from "./redis.ts";

/** The outside world as one instance of a function sees it. */
export interface Services {
  env: Env;
  database: Database;
  redis: ReturnType<typeof redisFromEnv>;
  once: Once;
  log: Log;
}

/**
 * Opens what a function needs, once an instance. Connections are made when they are first used.
 *
 * @param name the function's, for its log
 * @throws Error that names a variable which is not set, ZodError where Redis' URL is not one
 */
export function openServices(name: string): Services {
  const env = readEnv();
  const log = createLog(name);
  const redis = redisFromEnv({ ...env }, { log });
  return {
    env,
    database: connect(env.SUPABASE_DB_URL),
    redis,
    once: createOnce(redis, { log }),
    log,
  };
}
