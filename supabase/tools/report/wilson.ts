/** The standard normal distribution's 97.5th percentile. */
const Z = 1.959963984540054;

/**
 * Wilson's 95% score interval of a proportion, which holds for few trials and for rates near 0 and 1 as well: E. B. Wilson, "Probable
 * inference, the law of succession, and statistical inference", JASA 22, 1927.
 */
export function wilson(successes: number, trials: number): [low: number, high: number] {
  if (trials === 0) return [0, 1];
  const rate = successes / trials;
  const square = Z * Z;
  const centre = (rate + square / (2 * trials)) / (1 + square / trials);
  const half = Z * Math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials)) /
    (1 + square / trials);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
