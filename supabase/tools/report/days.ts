import type { Figures } from "./figures.ts";

const DAY = 86_400_000;

/**
 * The UTC days of the period, as the database writes them. It has no end: an event may be stamped a little ahead of the clock, and counts
 * on its own day.
 */
export function daysOf({ daily, since, today }: Figures): string[] {
  return daysBetween(
    since,
    daily.reduce((latest, { date }) => date > latest ? date : latest, today),
  );
}

/** From one day to another, both included. */
function daysBetween(first: string, last: string): string[] {
  const length = Math.round((Date.parse(last) - Date.parse(first)) / DAY) + 1;
  return Array.from(
    { length },
    (_, index) => new Date(Date.parse(first) + index * DAY).toISOString().slice(0, 10),
  );
}
