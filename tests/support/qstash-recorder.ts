import { Hono } from "hono";

/** What QStash keeps of a schedule. */
interface Schedule {
  scheduleId: string;
  cron: string;
  destination: string;
  method: string;
  retries: number;
  isPaused: boolean;
  createdAt: number;
}

/** QStash's schedules on loopback, recording what is asked of it. */
export interface QstashRecorder {
  url: string;
  token: string;
  schedules: Map<string, Schedule>;
  /** Method and path of every request that was not a GET. */
  writes: readonly string[];
  stop(): Promise<void>;
}

/** Starts it on a free port, without schedules. */
export function startQstashRecorder(): QstashRecorder {
  const token = "qstash-token-of-the-test";
  const schedules = new Map<string, Schedule>();
  const writes: string[] = [];
  const app = new Hono().basePath("/v2/schedules");
  app.use("*", async (context, next) => {
    if (context.req.method !== "GET") writes.push(`${context.req.method} ${context.req.path}`);
    if (context.req.header("authorization") !== `Bearer ${token}`) {
      return context.json({ error: "unauthorized" }, 401);
    }
    await next();
  });
  app.get("/", (context) => context.json([...schedules.values()]));
  app.post("/:destination{.+}", (context) => {
    const header = (name: string) => context.req.header(name) ?? "";
    const scheduleId = header("upstash-schedule-id");
    schedules.set(scheduleId, {
      scheduleId,
      cron: header("upstash-cron"),
      destination: context.req.param("destination"),
      method: header("upstash-method"),
      retries: Number(header("upstash-retries")),
      isPaused: false,
      createdAt: 0,
    });
    return context.json({ scheduleId });
  });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    token,
    schedules,
    writes,
    stop: () => server.shutdown(),
  };
}
