import { type JourneyReport, progressOf, reportJourney, statusOf } from "./journey-report.ts";
import { nextActions } from "./next-actions.ts";
import type { State } from "./reactor.ts";
import { lastTimeIn, readActivity } from "./reactors/activity.ts";
import { readJourney } from "./reactors/journey.ts";
import type { Settings } from "./settings.ts";

/** What a dashboard says of everybody: over the last 30 days, the rate in percent. */
export interface GlobalContext {
  utilisateurs_actifs: number;
  taux_succès: number;
  métiers_populaires: string[];
}

/** A user's dashboard, in the words of Aube's documents. */
export interface Dashboard {
  utilisateur: {
    user_id: string;
    statut_parcours: string;
    /** Percent. */
    progression: number;
    /** Minutes. */
    temps_investi: number;
  };
  contexte_global: GlobalContext;
  prochaines_actions: string[];
}

/**
 * A user's journey, from what the reactors remember.
 *
 * @param now milliseconds since 1970
 */
export function journeyOf(states: State, now: number, settings: Settings): JourneyReport {
  const activeAt = lastTimeIn("aube", readActivity(states));
  return reportJourney(readJourney(states), activeAt, now, settings.journey);
}

/**
 * A user's dashboard, from what the reactors remember.
 *
 * @param now milliseconds since 1970
 */
export function dashboardOf(
  user_id: string,
  states: State,
  now: number,
  settings: Settings,
  contexte_global: GlobalContext,
): Dashboard {
  const journey = readJourney(states);
  return {
    utilisateur: {
      user_id,
      statut_parcours: statusOf(journey),
      progression: progressOf(journey),
      temps_investi: journeyOf(states, now, settings).durée_totale_minutes,
    },
    contexte_global,
    prochaines_actions: nextActions(states, now, settings),
  };
}
