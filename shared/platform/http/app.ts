import { Hono } from "hono";
import { cors } from "hono/cors";
import { isUnreachable, refusalOf, wasStopped } from "../database.ts";
import { createLog, type Log } from "../log.ts";
import { HttpError } from "./error.ts";

export interface AppEnv {
  Variables: { requestId: string; log: Log };
}

export type App = Hono<AppEnv>;

const validRequestId = /^[\w-]{1,100}$/;

/**
 * A function's Hono app, served below `/<name>`, with or without a slash at the end: request ids, CORS for browsers, one log line a
 * request, and errors in one form.
 */
export function createApp(name: string): App {
  const app = new Hono<AppEnv>({ strict: false }).basePath(`/${name}`);
  const log = createLog(name);

  app.use(async (context, next) => {
    const given = context.req.header("x-request-id") ?? "";
    const requestId = validRequestId.test(given) ? given : crypto.randomUUID();
    context.set("requestId", requestId);
    context.set(
      "log",
      (level, message, fields) => log(level, message, { request_id: requestId, ...fields }),
    );
    const startedAt = performance.now();
    await next();
    context.header("x-request-id", requestId);
    context.get("log")("info", "request", {
      method: context.req.method,
      route: context.req.routePath,
      status: context.res.status,
      duration_ms: Math.round(performance.now() - startedAt),
    });
  });

  app.use(cors({
    origin: "*",
    // Whatever headers a client asks to send, such as supabase-js's `x-region`: no cookie ever comes with them.
    exposeHeaders: ["date", "x-request-id", "etag", "retry-after", "x-ratelimit-remaining"],
    maxAge: 86_400,
  }));

  app.notFound((context) => {
    const error = new HttpError(404, "not_found", "There is nothing at this address.");
    return context.json(error.toBody(context.get("requestId")), 404);
  });

  app.onError((error, context) => {
    const known = toHttpError(error);
    if (known.status >= 500) {
      // The kind of error alone: a message of the database may quote what a user wrote.
      context.get("log")("error", "request failed", {
        error: error.name,
        code: "code" in error ? error.code : undefined,
        at: error.stack?.split("\n").find((line) => line.includes("    at "))?.trim(),
      });
    }
    return context.json(known.toBody(context.get("requestId")), known.status);
  });

  return app;
}

function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const refusal = refusalOf(error);
  if (refusal) {
    return new HttpError(refusal.status as HttpError["status"], refusal.code, refusal.message);
  }
  if (cannotBeStored(error)) {
    return new HttpError(400, "invalid_value", "The request holds a value that cannot be stored.");
  }
  if (isUnreachable(error) || wasStopped(error)) {
    return new HttpError(
      503,
      "database_unavailable",
      "The database cannot answer now. Try again shortly.",
    );
  }
  return new HttpError(500, "internal_error", "Something went wrong on our side.");
}

function cannotBeStored(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  // A number beyond what numeric holds, a time or an offset beyond the calendar's, text with NUL, a malformed literal or escape.
  return /^22(003|00[789]|021|P02|P05)$/.test(code);
}
