import { parseDuration } from "./duration.ts";

const dayInMilliseconds = 86_400_000;

/**
 * QStash's own backoff: min(86400, e^(2.5 n)) seconds before retry `n`, counted from 1
 * (https://upstash.com/docs/qstash/features/retry).
 *
 * @returns milliseconds.
 */
export function defaultRetryDelay(n: number): number {
  return Math.min(dayInMilliseconds, Math.exp(2.5 * n) * 1000);
}

const functions: Record<string, { arity: number; apply: (...values: number[]) => number }> = {
  pow: { arity: 2, apply: Math.pow },
  sqrt: { arity: 1, apply: Math.sqrt },
  abs: { arity: 1, apply: Math.abs },
  exp: { arity: 1, apply: Math.exp },
  floor: { arity: 1, apply: Math.floor },
  ceil: { arity: 1, apply: Math.ceil },
  round: { arity: 1, apply: Math.round },
  min: { arity: 2, apply: Math.min },
  max: { arity: 2, apply: Math.max },
};

/**
 * Evaluates an `Upstash-Retry-Delay` expression: numbers, `retried`, `+ - * / %`, parentheses and
 * QStash's functions.
 *
 * @param retried how often the message has been retried; 0 before the first retry.
 * @returns milliseconds between 0 and a day, or `undefined` where the text is no such expression.
 */
export function evaluateRetryDelay(expression: string, retried: number): number | undefined {
  const tokens = expression.match(/\d+(?:\.\d+)?|[a-z]+|\S/gi) ?? [];
  let next = 0;

  function take(token: string): boolean {
    if (tokens[next] !== token) return false;
    next += 1;
    return true;
  }

  function sum(): number {
    let value = product();
    while (true) {
      if (take("+")) value += product();
      else if (take("-")) value -= product();
      else return value;
    }
  }

  function product(): number {
    let value = factor();
    while (true) {
      if (take("*")) value *= factor();
      else if (take("/")) value /= factor();
      else if (take("%")) value %= factor();
      else return value;
    }
  }

  function factor(): number {
    if (take("-")) return -factor();
    if (take("(")) {
      const value = sum();
      return take(")") ? value : NaN;
    }
    const token = tokens[next++] ?? "";
    if (/^\d/.test(token)) return Number(token);
    if (token === "retried") return retried;
    const called = Object.hasOwn(functions, token) ? functions[token] : undefined;
    if (!called || !take("(")) return NaN;
    const values = [sum()];
    while (take(",")) values.push(sum());
    return take(")") && values.length === called.arity ? called.apply(...values) : NaN;
  }

  const milliseconds = sum();
  if (next !== tokens.length || Number.isNaN(milliseconds)) return undefined;
  return Math.min(dayInMilliseconds, Math.max(0, milliseconds));
}

const retryAfterHeaders = [
  "retry-after",
  "x-ratelimit-reset",
  "x-ratelimit-reset-requests",
  "x-ratelimit-reset-tokens",
];

/**
 * The wait a destination asks for with `Retry-After` or a rate-limit header: seconds, an HTTP date
 * or a duration.
 *
 * @returns milliseconds, or `undefined` where it asks for none or for more than a day.
 */
export function requestedRetryDelay(headers: Headers): number | undefined {
  for (const name of retryAfterHeaders) {
    const text = headers.get(name)?.trim();
    if (!text) continue;
    const milliseconds = /^\d+(\.\d+)?$/.test(text)
      ? Number(text) * 1000
      : parseDuration(text) ?? Date.parse(text) - Date.now();
    if (milliseconds <= dayInMilliseconds) return Math.max(0, milliseconds);
  }
  return undefined;
}
