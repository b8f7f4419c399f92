import { murmur3 } from "./murmur3.ts";

/** The arm of those who are not nudged, to compare with. */
export const holdout = "holdout";

/** How the users of an experiment are divided. */
export interface Division {
  /** The share of users in the holdout, from 0 to 1. */
  readonly holdout: number;
  /** The other arms and their weights. */
  readonly weights: Readonly<Record<string, number>>;
}

/**
 * The arm of an experiment that a user is in. Nothing is stored: the user and the experiment alone decide, so that it is
 * the same everywhere and in every replay, and independent of the user's arms in other experiments. A larger holdout keeps
 * those who were in the smaller one.
 *
 * @returns undefined where no arm has a weight: there is nothing to compare
 */
export function armOf(
  user_id: string,
  experiment: string,
  division: Division,
): string | undefined {
  const arms = Object.entries(division.weights);
  const total = arms.reduce((sum, [, weight]) => sum + weight, 0);
  if (total === 0) return undefined;
  const point = murmur3(`${experiment}:${user_id.toLowerCase()}`) / 2 ** 32;
  if (point < division.holdout) return holdout;
  let left = (point - division.holdout) / (1 - division.holdout) * total;
  return arms.find(([, weight]) => (left -= weight) < 0)?.[0] ?? holdout;
}
