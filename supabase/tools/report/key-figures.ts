import type { Figures } from "./figures.ts";
import { counted, fixed, NOTHING, number, percent, signedPercent } from "./format.ts";

export interface KeyFigure {
  name: string;
  value: string;
  /** What it includes. */
  about: string;
}

/** The figures that fit in a line each. */
export function keyFigures({ ecosystem, aube, kpis }: Figures): KeyFigure[] {
  const { satisfaction_moyenne: satisfaction, temps_moyen_parcours: minutes } = aube;
  return [
    {
      name: "Events",
      value: number(ecosystem.total_events),
      about: "all that happened in the period and the flywheel has handled, its own included",
    },
    {
      name: "Users",
      value: number(ecosystem.unique_users),
      about: `with any event; ${number(ecosystem.avg_events_per_user)} events each`,
    },
    {
      name: "Transition rate",
      value: percent(kpis.transition_rate),
      about: "of the users for whom a transition was requested, those with one accepted",
    },
    {
      name: "Minutes to a transition",
      value: fixed(kpis.avg_transition_minutes, 1),
      about: "from request to acceptance, mean of those requested in the period",
    },
    {
      name: "Cross-app retention",
      value: percent(kpis.cross_app_retention_30d),
      about: "of the transitions accepted in a period that ended 30 days ago, " +
        "those whose user was in the new app 30 days later or after",
    },
    {
      name: "Cross-sell uplift",
      value: signedPercent(kpis.cross_sell_revenue_uplift),
      about: "revenue per user of several products over that of one product",
    },
    {
      name: "Satisfaction with Aube",
      value: satisfaction === null ? NOTHING : `${fixed(satisfaction, 1)} of 5`,
      about: "mean of the feedback given in Aube",
    },
    {
      name: "Explorations completed",
      value: aube.parcours_commencés === 0 ? NOTHING : `${fixed(aube.taux_completion, 1)}%`,
      about: `${number(aube.parcours_complétés)} of ${
        counted(aube.parcours_commencés, "user")
      } who began chose a job${
        minutes === null ? "" : `, after ${fixed(minutes, 1)} minutes on average`
      }`,
    },
  ];
}
