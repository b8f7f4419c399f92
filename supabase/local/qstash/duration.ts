const unitMilliseconds = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
} as const;

type Unit = keyof typeof unitMilliseconds;

const part = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g;
const whole = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+$/;

/**
 * Reads `50s`, `1d10h30m` and the like.
 *
 * @returns whole milliseconds, or `undefined` where the text is no duration.
 */
export function parseDuration(text: string): number | undefined {
  const compact = text.trim();
  if (!whole.test(compact)) return undefined;
  let milliseconds = 0;
  for (const [, value, unit] of compact.matchAll(part)) {
    milliseconds += Number(value) * unitMilliseconds[unit as Unit];
  }
  return Math.round(milliseconds);
}
