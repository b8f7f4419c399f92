import type { Retained } from "./figures.ts";

export interface Cohort {
  /** The Monday of its users' first week. */
  week: string;
  users: number;
  /** From the first week to this one. */
  cells: { weeksLater: number; users: number; retention: number }[];
}

const WEEK = 7 * 86_400_000;

/**
 * The cohorts of an app, or across all of them (`null`), oldest first. A week in which nobody of a cohort was there has no row in
 * `get_phoenix_retention()`, and a cell here.
 *
 * @param today the UTC day up to which there are weeks
 */
export function cohortsOf(
  retention: readonly Retained[],
  app: string | null,
  today: string,
): Cohort[] {
  const rows = retention.filter(({ app_source }) => app_source === app);
  const weeks = [...new Set(rows.map(({ cohort_week }) => cohort_week))].sort();
  return weeks.map((week) => {
    const found = new Map(
      rows.filter(({ cohort_week }) => cohort_week === week).map((row) => [row.weeks_later, row]),
    );
    const last = Math.max(weeksBetween(week, today), ...found.keys());
    return {
      week,
      users: found.get(0)?.users ?? 0,
      cells: Array.from({ length: last + 1 }, (_, weeksLater) => ({
        weeksLater,
        users: found.get(weeksLater)?.users ?? 0,
        retention: found.get(weeksLater)?.retention ?? 0,
      })),
    };
  });
}

function weeksBetween(monday: string, day: string): number {
  return Math.floor((Date.parse(day) - Date.parse(monday)) / WEEK);
}
