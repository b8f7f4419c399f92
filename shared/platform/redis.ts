import { errors, Redis } from "@upstash/redis";
import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  handleWhen,
  type IBreaker,
} from "cockatiel";
import { z } from "zod";
import type { Log } from "./log.ts";

export interface RedisOptions {
  log?: Log;
  /** How long one request may take, in milliseconds. */
  timeoutMs?: number;
  /** After how many failed requests, among twice as many, Redis is left alone. */
  failuresToBreak?: number;
  /** For how long it is left alone before one request tries it again, in milliseconds. */
  retryAfterMs?: number;
}

const redisEnv = z.object({
  UPSTASH_REDIS_REST_URL: z.union([z.literal(""), z.url({ protocol: /^https?$/ })]).default(""),
  UPSTASH_REDIS_REST_TOKEN: z.string().default(""),
});

/**
 * Upstash's client for `UPSTASH_REDIS_REST_URL` and `UPSTASH_REDIS_REST_TOKEN`.
 *
 * Redis is never worth waiting for here: a request is tried once and ends within `timeoutMs`, and after a few failures
 * all requests fail at once, but for one every `retryAfterMs` that looks whether Redis is back.
 *
 * @returns nothing where the two are not set
 * @throws ZodError when the URL is not one
 */
export function redisFromEnv(
  env: Record<string, string | undefined>,
  options: RedisOptions = {},
): Redis | undefined {
  const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token } = redisEnv.parse(env);
  if (url === "" || token === "") return undefined;
  return new GuardedRedis(
    { url, token, timeoutMs: options.timeoutMs ?? 500 },
    createBreaker(options),
  );
}

/**
 * Asks Redis, and falls back where there is none or where it cannot answer. Never rejects because of Redis.
 *
 * @param options.what what was to be done, for the log
 */
export async function askRedis<T>(options: {
  redis: Redis | undefined;
  ask: (redis: Redis) => Promise<T>;
  fallback: () => T;
  what: string;
  log: Log | undefined;
}): Promise<T> {
  if (!options.redis) return options.fallback();
  try {
    return await options.ask(options.redis);
  } catch (error) {
    // That the circuit is open was logged when it opened.
    if (!(error instanceof BrokenCircuitError)) {
      options.log?.("warn", `Redis failed to ${options.what}`, { error: describeFailure(error) });
    }
    return options.fallback();
  }
}

/** Every request of the client, a command's, a pipeline's or a transaction's, goes through the breaker. */
class GuardedRedis extends Redis {
  constructor(
    config: { url: string; token: string; timeoutMs: number },
    breaker: CircuitBreakerPolicy,
  ) {
    super({
      url: config.url,
      token: config.token,
      retry: { retries: 0 },
      signal: () => AbortSignal.timeout(config.timeoutMs),
      enableTelemetry: false,
    });
    const requester = this.client;
    const request = requester.request.bind(requester);
    requester.request = (req) => breaker.execute(() => request(req));
  }
}

function createBreaker({ log, failuresToBreak = 3, retryAfterMs = 10_000 }: RedisOptions) {
  const failed = handleWhen((error) => !isReplyToCommand(error)).orWhenResult((answer) =>
    failureIn(answer) !== undefined
  );
  const breaker = circuitBreaker(failed, {
    breaker: new FrequentFailures(failuresToBreak),
    halfOpenAfter: retryAfterMs,
  });
  breaker.onBreak((reason) =>
    log?.("warn", "Redis is left alone for now", {
      error: describeFailure(
        "error" in reason ? reason.error : "value" in reason ? failureIn(reason.value) : undefined,
      ),
      retry_after_ms: retryAfterMs,
    })
  );
  breaker.onReset(() => log?.("info", "Redis is back"));
  return breaker;
}

/**
 * Breaks once so many of the last requests, of twice as many, have failed. They need not be in a row: a Redis that is full still reads, and
 * a cache reads before each value that it writes.
 */
class FrequentFailures implements IBreaker {
  /** Whether each of the last requests failed. */
  state: boolean[] = [];

  constructor(private readonly enough: number) {}

  success(circuit: CircuitState): void {
    if (circuit === CircuitState.HalfOpen) this.state = [];
    this.note(false);
  }

  failure(): boolean {
    this.note(true);
    return this.state.filter((hasFailed) => hasFailed).length >= this.enough;
  }

  private note(hasFailed: boolean): void {
    this.state = [...this.state, hasFailed].slice(-2 * this.enough);
  }
}

/** Redis refused the command, so it works; an exhausted quota is refused in the same form and means the contrary. */
function isReplyToCommand(error: Error): boolean {
  return error instanceof errors.UpstashError &&
    /^(ERR|NOSCRIPT|WRONGTYPE|EXECABORT|BUSYKEY)\b/.test(error.message) &&
    !/^ERR (max|DB) .*exceeded/.test(error.message);
}

/** Why Redis does not work, from an answer that tells of each command by itself, as of those that the client sends together. */
function failureIn(answer: unknown): Error | undefined {
  const outcomes = [answer as Outcome | Outcome[]].flat();
  return outcomes
    .flatMap((each) => each?.error ? [new errors.UpstashError(each.error)] : [])
    .find((error) => !isReplyToCommand(error));
}

type Outcome = { error?: string } | null;

/** The client's messages repeat the command, with its keys and values: those stay out of the log. */
function describeFailure(error: unknown): string {
  if (error instanceof errors.UpstashJSONParseError) return error.name;
  if (error instanceof Error) return `${error.name}: ${error.message.split(", command was:")[0]}`;
  return "unknown";
}
