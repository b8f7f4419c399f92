import { z } from "zod";

/**
 * How often somebody may do something: `limit` times in `windowMs`.
 *
 * - `fixedWindow` starts to count anew with every window: the cheapest, and lets twice the limit through around a border.
 * - `slidingWindow` weighs in the window before: even at borders.
 * - `tokenBucket` lets `limit` through at once and then refills evenly over the window: bursts, then a steady rate.
 */
export interface RateLimitRule {
  readonly algorithm: "fixedWindow" | "slidingWindow" | "tokenBucket";
  readonly limit: number;
  readonly windowMs: number;
}

const MINUTE = 60_000;

/** The scopes and their limits, for each identifier. */
export const defaultRateLimits = {
  AUTH_LOGIN: { algorithm: "slidingWindow", limit: 5, windowMs: 15 * MINUTE },
  API_GENERAL: { algorithm: "tokenBucket", limit: 100, windowMs: MINUTE },
  API_CV_GENERATION: { algorithm: "fixedWindow", limit: 10, windowMs: 60 * MINUTE },
  /** Requests that publish; each may carry hundreds of events, and apps catch up after having been offline. */
  EVENTS_PUBLISH: { algorithm: "tokenBucket", limit: 6_000, windowMs: MINUTE },
  GLOBAL_DDOS: { algorithm: "fixedWindow", limit: 1_000, windowMs: MINUTE },
} as const satisfies Record<string, RateLimitRule>;

/** The rules of each scope; a scope without a rule is not limited. */
export type RateLimitRules<Scope extends string> = Readonly<
  Record<Scope, RateLimitRule | undefined>
>;

const unitMs = { s: 1_000, m: MINUTE, h: 60 * MINUTE, d: 24 * 60 * MINUTE };

const setting = z
  .string()
  .regex(/^(off|[1-9]\d*\/[1-9]\d*[smhd])$/, "is neither off nor like 100/1m")
  .transform((text) => {
    const [, limit, count, unit] = text.match(/^(\d+)\/(\d+)([smhd])$/) ?? [];
    return limit === undefined
      ? undefined
      : { limit: Number(limit), windowMs: Number(count) * unitMs[unit as keyof typeof unitMs] };
  });

/**
 * Rules as the environment changes them: `RATE_LIMIT_API_GENERAL=300/1m` (a count, then a time in s, m, h or d), `off`
 * for no limit, and `RATE_LIMIT_ENABLED=false` for none at all. What is unset or empty stays as it is.
 *
 * @throws Error that names the variable which cannot be read
 */
export function rateLimitsFromEnv<Scope extends string>(
  env: Record<string, string | undefined>,
  rules: Readonly<Record<Scope, RateLimitRule>>,
): RateLimitRules<Scope> {
  const isOff = env["RATE_LIMIT_ENABLED"] === "false";
  const ruleOf = (scope: string, rule: RateLimitRule) => {
    const name = `RATE_LIMIT_${scope}`;
    const text = env[name];
    if (isOff) return undefined;
    if (text === undefined || text === "") return rule;
    const parsed = setting.safeParse(text);
    if (!parsed.success) throw new Error(`${name} ${parsed.error.issues[0]?.message}`);
    return parsed.data && { ...rule, ...parsed.data };
  };
  return Object.fromEntries(
    Object.entries<RateLimitRule>(rules).map(([scope, rule]) => [scope, ruleOf(scope, rule)]),
  ) as RateLimitRules<Scope>;
}

/** How a token bucket fills: so many tokens at a time, and how often. */
export function refillOf({ limit, windowMs }: RateLimitRule): { tokens: number; everyMs: number } {
  const tokens = Math.max(1, Math.round(limit / windowMs));
  return { tokens, everyMs: Math.max(1, Math.round((tokens * windowMs) / limit)) };
}
