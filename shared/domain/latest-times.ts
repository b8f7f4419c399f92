/**
 * The latest times with one more, oldest first.
 *
 * @param times at most `most` of them, oldest first
 * @returns the very list that was given where that is full and the new time is no later than any of it
 */
export function keepLatest(times: readonly number[], at: number, most: number): readonly number[] {
  if (times.length === most && at <= times[0]!) return times;
  const latest = [...times, at];
  // What happened before may arrive late.
  if (times.length > 0 && at < times.at(-1)!) latest.sort((a, b) => a - b);
  if (latest.length > most) latest.shift();
  return latest;
}
