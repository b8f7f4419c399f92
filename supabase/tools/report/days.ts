const DAY = 86_400_000;

/** The UTC days from one to another, both included, as the database writes them. */
export function daysBetween(first: string, last: string): string[] {
  const length = Math.round((Date.parse(last) - Date.parse(first)) / DAY) + 1;
  return Array.from(
    { length },
    (_, index) => new Date(Date.parse(first) + index * DAY).toISOString().slice(0, 10),
  );
}
