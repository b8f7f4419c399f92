import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DataFolder, inDataFolder, lockDataFolder } from "./data-folder.ts";
import { keepDoorbell } from "./doorbell.ts";
import { callLoopbackDirectly } from "./loopback.ts";
import { type LogSink, StackLog } from "./log.ts";
import { choosePort, freePort, portsFree } from "./ports.ts";
import { bootstrap } from "./postgres/bootstrap.ts";
import { prepareCluster } from "./postgres/cluster.ts";
import { connect } from "./postgres/connect.ts";
import { applyMigrations } from "./postgres/migrations.ts";
import { applySchemaFiles } from "./postgres/schema-files.ts";
import { readOrMakeSecrets } from "./secrets.ts";
import { functionEnv, planEnv, type StackPlan } from "./plan.ts";
import { defineServices, type ServiceName } from "./services.ts";
import type { StackEnv } from "./stack-env.ts";
import { removeStatus, writeStatus } from "./status-file.ts";
import { Service, type ServiceHandle } from "./supervisor/service.ts";
import { ensureSweep } from "./sweep.ts";

export type { ServiceHandle, ServiceName, StackEnv };

export interface StackOptions {
  /** Everything the stack keeps; made where it is missing. */
  dataDir: string;
  /** Port of the gateway; any free one without. */
  apiPort?: number;
  /** Port of PostgreSQL; any free one without. */
  dbPort?: number;
  /** Folder of functions; the project's without. */
  functionsDir?: string;
  /** Folder of migrations; the project's without. */
  migrationsDir?: string;
  /**
   * What makes the schema: the migrations (default), the source in `sql/` without a record (into a database that has no schema
   * yet), or nothing.
   */
  applyMigrations?: "migrations" | "sql" | "none";
  /** Services to leave out. */
  without?: readonly ServiceName[];
  /** Whether QStash rings every minute; default true. */
  sweep?: boolean;
  /** More of the functions' environment, winning over what the stack itself says. */
  functionEnv?: Record<string, string>;
  /** More of a service's own environment, such as QStash's QSTASH_TIME_SCALE. */
  serviceEnv?: Partial<Record<ServiceName, Record<string, string>>>;
  /** Receives every line that the services write. */
  log?: LogSink;
}

/** A running stack. */
export interface Stack {
  readonly env: StackEnv;
  /** Milliseconds from the call of {@link startStack} until everything served. */
  readonly bootMs: number;
  /** @throws RangeError for a service that this stack does not have */
  service(name: ServiceName): ServiceHandle;
  /** Whether this stack has the service; Redis is missing where the machine has none. */
  has(name: ServiceName): boolean;
  /** Ends every process; what is in the data folder stays. May be called again without harm. */
  stop(): Promise<void>;
}

const PREDECESSOR_GONE_WITHIN_MS = 5_000;

/**
 * Boots the whole backend, each service a process of its own, and returns once all of them serve.
 *
 * @throws StackError with one line that says what to do; nothing is left running
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const startedAt = performance.now();
  callLoopbackDirectly();
  const folder = await lockDataFolder(options.dataDir);
  const log = openLog(folder, options.log);
  const services = new Map<ServiceName, Service>();

  let stopping: Promise<void> | undefined;
  const stop = () => stopping ??= stopAll();

  async function stopAll(): Promise<void> {
    await removeStatus(folder.path);
    // Those who write first, then those who keep what was written.
    const keepers: ServiceName[] = ["postgres", "redis-server"];
    const all = [...services];
    await Promise.all(
      all.filter(([name]) => !keepers.includes(name)).map(([, each]) => each.stop()),
    );
    await Promise.all(
      all.filter(([name]) => keepers.includes(name)).map(([, each]) => each.stop()),
    );
    log.close();
    folder.unlock();
  }

  try {
    if (folder.wasCutOff) {
      await portsFree([options.apiPort ?? 0, options.dbPort ?? 0], PREDECESSOR_GONE_WITHIN_MS);
    }
    const plan = await inDataFolder(folder.path, makePlan(folder.path, options));
    const env = planEnv(plan);
    await boot(plan, env, options, services, log);
    await inDataFolder(folder.path, writeStatus(folder.path, env));
    const bootMs = Math.round(performance.now() - startedAt);
    log.write("stack", `booted in ${bootMs} ms`);
    return {
      env,
      bootMs,
      service: (name) => {
        const service = services.get(name);
        if (!service) throw new RangeError(`this stack has no service ${name}`);
        return service;
      },
      has: (name) => services.has(name),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function openLog(folder: DataFolder, sink: LogSink | undefined): StackLog {
  try {
    return new StackLog(join(folder.path, "logs"), sink);
  } catch (error) {
    folder.unlock();
    throw error;
  }
}

async function makePlan(dataDir: string, options: StackOptions): Promise<StackPlan> {
  const apiPort = choosePort(options.apiPort, "set PHOENIX_API_PORT to another");
  const dbPort = choosePort(options.dbPort, "set PHOENIX_DB_PORT to another");
  return {
    dataDir,
    functionsDir: options.functionsDir ?? projectFolder("functions"),
    secrets: await readOrMakeSecrets(dataDir),
    ports: {
      api: apiPort,
      database: dbPort,
      functions: freePort(),
      qstash: freePort(),
      redis: freePort(),
      redisRest: freePort(),
    },
    without: options.without ?? [],
    moreFunctionEnv: options.functionEnv ?? {},
    moreServiceEnv: options.serviceEnv ?? {},
  };
}

async function boot(
  plan: StackPlan,
  env: StackEnv,
  options: StackOptions,
  services: Map<ServiceName, Service>,
  log: StackLog,
): Promise<void> {
  const definitions = defineServices(plan, env, functionEnv(plan, env));

  function start(name: ServiceName): Promise<void> {
    const definition = definitions.get(name);
    if (!definition) return Promise.resolve();
    const service = new Service(
      definition,
      (text) => log.write(name, text),
      (text) => log.write("stack", text),
    );
    services.set(name, service);
    return service.start();
  }

  async function startDatabase(): Promise<void> {
    if (plan.without.includes("postgres")) return;
    const cluster = await inDataFolder(
      plan.dataDir,
      prepareCluster(plan.dataDir, plan.secrets),
    );
    definitions.set("postgres", cluster.service(plan.ports.database, env.SUPERUSER_DB_URL));
    await start("postgres");
    const admin = connect(env.SUPERUSER_DB_URL);
    try {
      await bootstrap(admin, plan.secrets.databasePassword);
      await keepDoorbell(admin, env);
    } finally {
      await admin.end();
    }
    await start("net");
    if (options.applyMigrations === "none") return;
    const sql = connect(env.DB_URL);
    try {
      if (options.applyMigrations === "sql") {
        await applySchemaFiles(sql, projectFolder("sql/install.sql"));
      } else {
        const folder = options.migrationsDir ?? projectFolder("supabase/migrations");
        const applied = await applyMigrations(sql, folder);
        for (const file of applied) log.write("stack", `applied migration ${file}`);
      }
    } finally {
      await sql.end();
    }
  }

  // Every start is waited for, even if one has failed, so that no service comes up after all have been stopped.
  const results = await Promise.allSettled([
    startDatabase(),
    start("gateway"),
    start("functions"),
    start("qstash"),
    start("redis-server"),
    start("redis"),
  ]);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
  if (services.has("qstash") && options.sweep !== false) await ensureSweep(env);
}

function projectFolder(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}
