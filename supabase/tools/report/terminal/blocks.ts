const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/**
 * A bar of block characters, padded to its whole width.
 *
 * @param share how much of the width it fills, 0 to 1
 */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  // What is there at all can be seen.
  const shown = share > 0 ? Math.max(1, eighths) : 0;
  return ("█".repeat(Math.floor(shown / 8)) + EIGHTHS[shown % 8]!).padEnd(width);
}

/**
 * Numbers as a line of columns, the highest of which stands for `most`; several numbers share a column where there are more of them than
 * `width`.
 */
export function columns(values: readonly number[], most: number): string {
  return values.map((value) => {
    if (value <= 0 || most <= 0) return " ";
    return LEVELS[Math.min(7, Math.max(0, Math.ceil(value / most * 8) - 1))]!;
  }).join("");
}

/** Adds up neighbours until no more than so many numbers are left. */
export function gathered(values: readonly number[], most: number): number[] {
  const size = Math.max(1, Math.ceil(values.length / most));
  return Array.from(
    { length: Math.ceil(values.length / size) },
    (_, index) =>
      values.slice(index * size, (index + 1) * size).reduce((sum, each) => sum + each, 0),
  );
}
