import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDuration } from "../../../supabase/local/qstash/duration.ts";
import {
  defaultRetryDelay,
  evaluateRetryDelay,
  requestedRetryDelay,
} from "../../../supabase/local/qstash/retry-delay.ts";

const day = 86_400_000;

/** An expression as text beside the function it means. */
interface Expression {
  text: string;
  value: (retried: number) => number;
}

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.nat(10_000).map((n) => ({ text: String(n), value: () => n })),
    fc.constant({ text: "retried", value: (retried: number) => retried }),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => ({
      text: `(${a.text} + ${b.text})`,
      value: (retried: number) => a.value(retried) + b.value(retried),
    })),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => ({
      text: `${a.text} * ${b.text}`,
      value: (retried: number) => a.value(retried) * b.value(retried),
    })),
    fc.tuple(tie("expression"), tie("expression")).map(([a, b]) => ({
      text: `max(${a.text}, ${b.text})`,
      value: (retried: number) => Math.max(a.value(retried), b.value(retried)),
    })),
    tie("expression").map((a) => ({
      text: `floor(sqrt(${a.text}))`,
      value: (retried: number) => Math.floor(Math.sqrt(a.value(retried))),
    })),
  ),
}));

describe("the default backoff", () => {
  test("is the documented one: 12 s, 2 min 28 s, 30 min 8 s, 6 h 7 min 6 s, then a day", () => {
    expect([1, 2, 3, 4, 5, 6].map((n) => Math.floor(defaultRetryDelay(n) / 1000))).toEqual([
      12,
      148,
      1808,
      22_026,
      86_400,
      86_400,
    ]);
  });
});

describe("a retry delay expression", () => {
  test("means what the same arithmetic means, between nothing and a day", () => {
    fc.assert(fc.property(expression, fc.nat(20), ({ text, value }, retried) => {
      expect(evaluateRetryDelay(text, retried)).toBe(Math.min(day, Math.max(0, value(retried))));
    }));
  });

  test.each([
    ["1000", 3, 1000],
    ["1000 * (1 + retried)", 2, 3000],
    ["pow(2, retried) * 1000", 3, 8000],
    ["max(1000, pow(2, retried) * 100)", 0, 1000],
    ["10 - 2 - 3", 0, 5],
    ["-5 + 3", 0, 0],
    ["1.5*1000", 0, 1500],
  ])("%s after %i retries is %i ms", (text, retried, milliseconds) => {
    expect(evaluateRetryDelay(text, retried)).toBe(milliseconds);
  });

  test.each(["", "boom(1)", "1 +", "(1", "pow(2)", "1 2", "constructor(1)", "retried()"])(
    "%o is none",
    (text) => expect(evaluateRetryDelay(text, 0)).toBeUndefined(),
  );
});

describe("a wait that the destination asks for", () => {
  test.each([
    [{ "Retry-After": "0" }, 0],
    [{ "Retry-After": "10" }, 10_000],
    [{ "Retry-After": "6m5s" }, 365_000],
    [{ "X-RateLimit-Reset-Requests": "53s" }, 53_000],
    [{ "Retry-After": "90000" }, undefined],
    [{ "Retry-After": "whenever" }, undefined],
    [{}, undefined],
  ])("%o is %o ms", (headers, milliseconds) => {
    expect(requestedRetryDelay(new Headers(headers as HeadersInit))).toBe(milliseconds);
  });

  test("may be an HTTP date", () => {
    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const milliseconds = requestedRetryDelay(new Headers({ "Retry-After": inAMinute }));
    expect(milliseconds).toBeGreaterThan(50_000);
    expect(milliseconds).toBeLessThanOrEqual(60_000);
  });
});

test("a duration is the sum of its parts", () => {
  const parts = fc.record({ d: fc.nat(9), h: fc.nat(99), m: fc.nat(99), s: fc.nat(999) });
  fc.assert(fc.property(parts, ({ d, h, m, s }) => {
    expect(parseDuration(`${d}d${h}h${m}m${s}s`)).toBe((((d * 24 + h) * 60 + m) * 60 + s) * 1000);
  }));
  for (const text of ["", "5", "s", "5 s", "5x", "-5s"]) {
    expect(parseDuration(text)).toBeUndefined();
  }
});
