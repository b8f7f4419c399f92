import { z } from "zod";
import type { Database } from "../platform/database.ts";

/** How many UTC days, the last of which is today, to look at. */
export const analyticsQuery = z.object({
  days: z
    .string()
    .regex(/^\d{1,3}$/, "must be a whole number from 1 to 366")
    .transform(Number)
    .refine((days) => days >= 1 && days <= 366, "must be a whole number from 1 to 366")
    .default(30),
});

/** `public.get_phoenix_ecosystem_stats()`. */
export async function ecosystemStats(database: Database, days: number): Promise<unknown> {
  const [row] = await database`select public.get_phoenix_ecosystem_stats(${days}) as stats`;
  return row!.stats;
}

/** `public.get_aube_metrics()`. */
export async function aubeMetrics(database: Database, days: number): Promise<unknown> {
  const [row] = await database`select public.get_aube_metrics(${days}) as metrics`;
  return row!.metrics;
}

/** `public.get_phoenix_nudge_experiments()`. */
export async function nudgeExperiments(database: Database, days: number): Promise<unknown> {
  return await database`
    select
      nudge_type, variant, sent::int, shown::int, clicked::int, converted::int, conversion_rate, uplift_vs_holdout, p_value
    from public.get_phoenix_nudge_experiments(${days})
  `;
}
