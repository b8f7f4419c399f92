import { minute } from "./duration.ts";
import { type JourneyStep, journeySteps } from "./journey-steps.ts";
import { currentStep, furthestStep, type Journey } from "./reactors/journey.ts";
import type { Settings } from "./settings.ts";

/** A journey as Aube's `tracer_parcours_utilisateur` tells it, in its words. */
export interface JourneyReport {
  progression: {
    /** In the order in which they were completed. */
    étapes_complétées: JourneyStep[];
    /** Minutes, where they are known. */
    temps_par_étape: Partial<Record<JourneyStep, number>>;
    /** Where the user left Aube, whether they came back or not: the step's name without what became of it. */
    points_de_sortie: string[];
    /** Steps on which the user spent more than `blockage_minutes`. */
    blocages_identifiés: JourneyStep[];
  };
  durée_totale_minutes: number;
  statut_actuel: string;
  recommandations_ux: string[];
}

/**
 * Tells a journey at a moment.
 *
 * A step took the minutes that the app counted, or else the time since the step before, where that is no longer than
 * `pause_minutes`; beyond it the user had left. The total also has the time between steps that the app did not count.
 *
 * @param activeAt when the user last did anything in Aube, and `now`: milliseconds since 1970
 */
export function reportJourney(
  journey: Journey,
  activeAt: number | undefined,
  now: number,
  { blockage_minutes, pause_minutes }: Settings["journey"],
): JourneyReport {
  const visits = visitsOf(journey, pause_minutes);
  const exits = visits.filter(({ wasAway }) => wasAway).map(({ step }) => step);
  const blockages = visits.filter(({ minutes = 0 }) => minutes > blockage_minutes)
    .map(({ step }) => step);

  const current = currentStep(journey);
  if (current && journey.heard_at !== undefined) {
    const since = (now - journey.heard_at) / minute;
    const silence = Math.min(since, (now - (activeAt ?? -Infinity)) / minute);
    if (silence > pause_minutes) exits.push(current);
    else if (since > blockage_minutes) blockages.push(current);
  }

  const points_de_sortie = exits.map((step) => step.replace(participle, ""));
  return {
    progression: {
      étapes_complétées: visits.map(({ step }) => step),
      temps_par_étape: Object.fromEntries(
        visits.flatMap(({ step, minutes }) =>
          minutes === undefined ? [] : [[step, tenths(minutes)]]
        ),
      ),
      points_de_sortie,
      blocages_identifiés: blockages,
    },
    durée_totale_minutes: tenths(visits.reduce((total, { spent }) => total + spent, 0)),
    statut_actuel: statusOf(journey),
    recommandations_ux: [recommendation(points_de_sortie, blockages)],
  };
}

/**
 * How far along the eight steps the user is, in whole percent: 0 at the first, 100 at the last, and so 85 once a job is
 * chosen, as Aube's dashboard shows it. A step that was skipped counts as passed.
 */
export function progressOf(journey: Journey): number {
  const furthest = furthestStep(journey);
  if (!furthest) return 0;
  return Math.floor(100 * journeySteps.indexOf(furthest) / (journeySteps.length - 1));
}

/** The user's status in Aube's words. */
export function statusOf(journey: Journey): string {
  const furthest = furthestStep(journey);
  if (furthest === undefined) return "non_commencé";
  return furthest === "recommandations_générées" ? "recommandations_reçues" : furthest;
}

const participle = /_(commencée|explorées|révélées|complétés|générées|effectuée|choisi)$/;

interface Visit {
  step: JourneyStep;
  minutes: number | undefined;
  /** Minutes that count for the whole journey. */
  spent: number;
  /** Whether the user left Aube before this step was completed, by its time and the time of the one before: what else they did is not remembered. */
  wasAway: boolean;
}

/** The completed steps in the order of their times, whatever the order in which they became known. */
function visitsOf({ steps }: Journey, pauseMinutes: number): Visit[] {
  const completed = journeySteps
    .flatMap((step) => steps[step] ? [{ step, ...steps[step] }] : [])
    .sort((a, b) => a.at - b.at);
  return completed.map(({ step, at, minutes: counted }, index) => {
    const before = completed[index - 1];
    if (counted === null) return { step, minutes: undefined, spent: 0, wasAway: false };
    const elapsed = before && (at - before.at) / minute;
    const wasAway = (elapsed ?? 0) - (counted ?? 0) > pauseMinutes;
    const gap = wasAway ? undefined : elapsed;
    return { step, minutes: counted ?? gap, spent: Math.max(counted ?? 0, gap ?? 0), wasAway };
  });
}

/** Aube's `_générer_recommandations_ux`. */
function recommendation(exits: readonly string[], blockages: readonly string[]): string {
  if (exits.includes("tests_psychométriques")) return "Raccourcir tests psychométriques";
  if (blockages.length > 0) return "Optimiser durée étapes longues";
  return "Améliorer fluidité parcours";
}

function tenths(minutes: number): number {
  return Math.round(minutes * 10) / 10;
}
