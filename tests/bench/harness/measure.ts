/** One figure, as `--json` writes it. */
export interface Measure {
  name: string;
  value: number;
  unit: string;
  /** What the project promises; null for a figure that is told for its own sake. */
  reach: number | null;
  /** What the project aims for then. */
  aim: number | null;
  better: "higher" | "lower";
}

/** A figure told for its own sake: without a promise. */
export function figure(
  name: string,
  value: number,
  unit: string,
  better: Measure["better"],
): Measure {
  return { name, value, unit, reach: null, aim: null, better };
}

/** A figure with a promise: how many times better than a peer, or how many times the cost. */
export function ratio(
  name: string,
  value: number,
  better: Measure["better"],
  promise: { reach: number; aim: number },
): Measure {
  return { name, value, unit: "×", ...promise, better };
}

/** Events a second: the median of several runs. */
export function rate(
  results: readonly { seconds: number; counts: Record<string, number> }[],
): number {
  return median(results.map(({ seconds, counts }) => counts.events! / seconds));
}

/** The milliseconds that something takes. */
export async function timed(act: () => PromiseLike<unknown>): Promise<number> {
  const startedAt = performance.now();
  await act();
  return performance.now() - startedAt;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which a share of the values lies, interpolated between its two neighbours. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)]!;
  const above = sorted[Math.ceil(place)]!;
  return below + (above - below) * (place % 1);
}
