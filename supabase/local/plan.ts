import { findRedisServer } from "./redis/find-redis.ts";
import { toJwks } from "./gateway/tokens.ts";
import { SUPERUSER } from "./postgres/cluster.ts";
import type { Secrets } from "./secrets.ts";
import type { ServiceName } from "./services.ts";
import type { StackEnv } from "./stack-env.ts";

/** Everything that is settled before the first process starts. */
export interface StackPlan {
  dataDir: string;
  functionsDir: string;
  secrets: Secrets;
  ports: {
    api: number;
    database: number;
    functions: number;
    qstash: number;
    redis: number;
    redisRest: number;
  };
  without: readonly ServiceName[];
  moreFunctionEnv: Record<string, string>;
  moreServiceEnv: Partial<Record<ServiceName, Record<string, string>>>;
}

/** Whether this stack has a Redis: the machine has one and nobody asked to leave it out. */
export function hasRedis(plan: StackPlan): boolean {
  return !plan.without.includes("redis-server") && !plan.without.includes("redis") &&
    findRedisServer() !== undefined;
}

/** The database as one of its roles that may log in. */
export function databaseUrl({ ports, secrets }: StackPlan, role: string): string {
  return `postgresql://${role}:${secrets.databasePassword}@127.0.0.1:${ports.database}/postgres`;
}

/** What clients of the stack will find where. */
export function planEnv(plan: StackPlan): StackEnv {
  const { ports, secrets } = plan;
  const apiUrl = local(ports.api);
  const redis = hasRedis(plan);
  return {
    API_URL: apiUrl,
    FUNCTIONS_URL: `${apiUrl}/functions/v1`,
    DB_URL: databaseUrl(plan, "postgres"),
    PUBLISHABLE_KEY: secrets.publishableKey,
    SECRET_KEY: secrets.secretKey,
    QSTASH_URL: local(ports.qstash),
    QSTASH_TOKEN: secrets.qstashToken,
    QSTASH_CURRENT_SIGNING_KEY: secrets.qstashCurrentSigningKey,
    QSTASH_NEXT_SIGNING_KEY: secrets.qstashNextSigningKey,
    UPSTASH_REDIS_REST_URL: redis ? local(ports.redisRest) : "",
    UPSTASH_REDIS_REST_TOKEN: redis ? secrets.redisRestToken : "",
    DOORBELL_SECRET: secrets.doorbellSecret,
    JWT_SIGNING_KEY: JSON.stringify(secrets.signingKey),
    SUPERUSER_DB_URL: databaseUrl(plan, SUPERUSER),
  };
}

/** The environment of a function, with the names that Supabase's platform and the project's secrets have. */
export function functionEnv(plan: StackPlan, env: StackEnv): Record<string, string> {
  return {
    SUPABASE_URL: env.API_URL,
    SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: env.PUBLISHABLE_KEY }),
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: env.SECRET_KEY }),
    SUPABASE_JWKS: JSON.stringify(toJwks(plan.secrets.signingKey)),
    SUPABASE_DB_URL: env.DB_URL,
    QSTASH_URL: env.QSTASH_URL,
    QSTASH_TOKEN: env.QSTASH_TOKEN,
    QSTASH_CURRENT_SIGNING_KEY: env.QSTASH_CURRENT_SIGNING_KEY,
    QSTASH_NEXT_SIGNING_KEY: env.QSTASH_NEXT_SIGNING_KEY,
    ...(env.UPSTASH_REDIS_REST_URL && {
      UPSTASH_REDIS_REST_URL: env.UPSTASH_REDIS_REST_URL,
      UPSTASH_REDIS_REST_TOKEN: env.UPSTASH_REDIS_REST_TOKEN,
    }),
    PHOENIX_DOORBELL_SECRET: env.DOORBELL_SECRET,
    ...plan.moreFunctionEnv,
  };
}

function local(port: number): string {
  return `http://127.0.0.1:${port}`;
}
