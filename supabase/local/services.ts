import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makePrivateFolder } from "./data-folder.ts";
import type { GatewayConfig } from "./gateway/config.ts";
import { databaseUrl, hasRedis, type StackPlan } from "./plan.ts";
import { findRedisServer, redisServerArguments } from "./redis/find-redis.ts";
import { isServing } from "./redis/is-serving.ts";
import type { StackEnv } from "./stack-env.ts";
import { denoEnv, denoProgram } from "./supervisor/deno-program.ts";
import { causeIn, type ServiceDefinition } from "./supervisor/service.ts";

/** The processes of a stack. `redis` is the REST front of `redis-server`; `net` sends what `net.http_post()` queues. */
export type ServiceName =
  | "postgres"
  | "net"
  | "gateway"
  | "functions"
  | "qstash"
  | "redis-server"
  | "redis";

/** Every service but `postgres`, which is defined once its folder is there. */
export function defineServices(
  plan: StackPlan,
  env: StackEnv,
  functionEnv: Record<string, string>,
): Map<ServiceName, ServiceDefinition> {
  const { ports, secrets } = plan;
  const gatewayConfig: GatewayConfig = {
    port: ports.api,
    apiUrl: env.API_URL,
    databaseUrl: env.SUPERUSER_DB_URL,
    authenticatorUrl: databaseUrl(plan, "authenticator"),
    functionsOrigin: `http://127.0.0.1:${ports.functions}`,
    publishableKey: env.PUBLISHABLE_KEY,
    secretKey: env.SECRET_KEY,
    signingKey: secrets.signingKey,
  };
  const qstashFile = join(plan.dataDir, "qstash.sqlite");
  const definitions: ServiceDefinition[] = [
    denoService(
      "net",
      "net/main.ts",
      { DB_URL: env.SUPERUSER_DB_URL },
      () => Promise.resolve(true),
    ),
    denoService(
      "gateway",
      "gateway/main.ts",
      { GATEWAY_CONFIG: JSON.stringify(gatewayConfig) },
      () => isOk(env.API_URL),
    ),
    denoService(
      "functions",
      "functions/main.ts",
      {
        FUNCTIONS_PORT: String(ports.functions),
        FUNCTIONS_DIR: plan.functionsDir,
        FUNCTION_ENV: JSON.stringify(functionEnv),
      },
      () => answers(gatewayConfig.functionsOrigin),
    ),
    {
      ...denoService(
        "qstash",
        "qstash/main.ts",
        {
          QSTASH_PORT: String(ports.qstash),
          QSTASH_TOKEN: env.QSTASH_TOKEN,
          QSTASH_CURRENT_SIGNING_KEY: env.QSTASH_CURRENT_SIGNING_KEY,
          QSTASH_NEXT_SIGNING_KEY: env.QSTASH_NEXT_SIGNING_KEY,
          QSTASH_DATABASE: qstashFile,
        },
        () => isOk(`${env.QSTASH_URL}/health`),
      ),
      explainFailure: (lines) => {
        const reason = causeIn(lines);
        // SQLite's words for a file that is another's or that has been damaged.
        if (!reason || !/not a database|malformed/.test(reason)) return undefined;
        return `QStash's file ${qstashFile} cannot be read (${reason}): restore it, or delete it to begin without its messages.`;
      },
    },
    ...(hasRedis(plan) ? redisServices(plan, env) : []),
  ];
  return new Map(
    definitions
      .map((definition) => ({
        ...definition,
        env: { ...definition.env, ...plan.moreServiceEnv[definition.name as ServiceName] },
      }))
      .map((definition) => [definition.name as ServiceName, definition] as const)
      .filter(([name]) => !plan.without.includes(name)),
  );
}

function redisServices({ dataDir, ports }: StackPlan, env: StackEnv): ServiceDefinition[] {
  const dataFolder = join(dataDir, "redis");
  makePrivateFolder(dataFolder);
  return [
    {
      name: "redis-server",
      command: findRedisServer()!,
      args: redisServerArguments({ port: ports.redis, dataFolder }),
      env: {},
      cwd: dataFolder,
      isReady: () => isServing(ports.redis),
      stopSignal: "SIGTERM",
      tetherSignal: "SIGTERM",
    },
    denoService(
      "redis",
      "redis/main.ts",
      {
        REDIS_REST_PORT: String(ports.redisRest),
        REDIS_REST_TOKEN: env.UPSTASH_REDIS_REST_TOKEN,
        REDIS_PORT: String(ports.redis),
      },
      () => answers(`${env.UPSTASH_REDIS_REST_URL}/health`),
    ),
  ];
}

function denoService(
  name: ServiceName,
  module: string,
  env: Record<string, string>,
  isReady: () => Promise<boolean>,
): ServiceDefinition {
  return {
    name,
    ...denoProgram(fileURLToPath(new URL(module, import.meta.url))),
    env: denoEnv(env),
    isReady,
    stopSignal: "SIGTERM",
  };
}

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url);
  await response.body?.cancel();
  return true;
}

async function isOk(url: string): Promise<boolean> {
  const response = await fetch(url);
  await response.body?.cancel();
  return response.ok;
}
