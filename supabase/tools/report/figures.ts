import type postgres from "postgres";
import { z } from "zod";

const count = z.coerce.number().int();
const share = z.number().nullable();
const decimal = z.coerce.number().nullable();

const Ecosystem = z.object({
  period_days: count,
  total_events: count,
  unique_users: count,
  avg_events_per_user: z.number(),
  app_breakdown: z.record(z.string(), z.object({ events: count, users: count })),
  top_events: z.record(z.string(), count),
  generated_at: z.string(),
});

const Aube = z.object({
  parcours_commencés: count,
  parcours_complétés: count,
  taux_completion: z.number(),
  transitions_écosystème: count,
  temps_moyen_parcours: z.number().nullable(),
  satisfaction_moyenne: z.number().nullable(),
  métiers_populaires: z.array(z.string()),
});

const Kpis = z.object({
  transition_rate: share,
  avg_transition_minutes: z.number().nullable(),
  cross_app_retention_30d: share,
  cross_sell_revenue_uplift: z.number().nullable(),
});

const DailyEvents = z.object({ date: z.string(), app_source: z.string(), events: count });

const FunnelStep = z.object({
  cohort_week: z.string().nullable(),
  step: count,
  event_type: z.string(),
  users: count,
  conversion: decimal,
  median_minutes: decimal,
  p90_minutes: decimal,
  exits: count,
});

const Retained = z.object({
  app_source: z.string().nullable(),
  cohort_week: z.string(),
  weeks_later: count,
  users: count,
  retention: z.coerce.number(),
});

const ExperimentArm = z.object({
  nudge_type: z.string(),
  variant: z.string(),
  sent: count,
  shown: count,
  clicked: count,
  converted: count,
  conversion_rate: z.number(),
  uplift_vs_holdout: z.number().nullable(),
  p_value: z.number().nullable(),
});

const Opportunities = z.object({ nudge_type: z.string(), users: count });

export type DailyEvents = z.output<typeof DailyEvents>;
export type FunnelStep = z.output<typeof FunnelStep>;
export type Retained = z.output<typeof Retained>;
export type ExperimentArm = z.output<typeof ExperimentArm>;

const Figures = z.object({
  /** The first UTC day of the period, and the last, which is today. */
  since: z.string(),
  today: z.string(),
  /** `get_phoenix_ecosystem_stats(days)`. */
  ecosystem: Ecosystem,
  /** `get_aube_metrics(days)`. */
  aube: Aube,
  /** `get_phoenix_kpis(days)`. */
  kpis: Kpis,
  /** `phoenix_ecosystem_analytics` of the period, all types of events together. */
  daily: z.array(DailyEvents),
  /** `get_aube_funnel(weeks)`. */
  funnel: z.array(FunnelStep),
  /** `get_phoenix_retention(weeks)`. */
  retention: z.array(Retained),
  /** `get_phoenix_nudge_experiments(days)`. */
  experiments: z.array(ExperimentArm),
  /** `phoenix_nudge_opportunities`, how many users of each type. */
  opportunities: z.array(Opportunities),
});

/** What the analysts' views and functions say, all of one moment. */
export type Figures = z.output<typeof Figures> & { days: number; weeks: number };

/** Reads every figure, with the rights that the transaction has. */
export async function readFigures(
  sql: postgres.TransactionSql,
  { days, weeks }: { days: number; weeks: number },
): Promise<Figures> {
  const [row] = await sql`
    select
      ((now() at time zone 'UTC')::date - ${days}::integer + 1)::text as since,
      (now() at time zone 'UTC')::date::text as today,
      public.get_phoenix_ecosystem_stats(${days}) as ecosystem,
      public.get_aube_metrics(${days}) as aube,
      public.get_phoenix_kpis(${days}) as kpis
  `;
  return {
    days,
    weeks,
    ...Figures.parse({
      ...row,
      daily: await sql`
        select date::text, app_source, sum(event_count) as events
        from public.phoenix_ecosystem_analytics
        where date > (now() at time zone 'UTC')::date - ${days}::integer
        group by 1, 2
        order by 1, 2
      `,
      funnel: await sql`
        select
          cohort_week::text, step, event_type, users, conversion, median_minutes, p90_minutes, exits
        from public.get_aube_funnel(${weeks})
      `,
      retention: await sql`
        select app_source, cohort_week::text, weeks_later, users, retention
        from public.get_phoenix_retention(${weeks})
      `,
      experiments: await sql`select * from public.get_phoenix_nudge_experiments(${days})`,
      opportunities: await sql`
        select nudge_type, count(*) as users
        from public.phoenix_nudge_opportunities
        group by 1
        order by 1
      `,
    }),
  };
}
