import type { App } from "./apps.ts";
import type { JourneyStep } from "./journey-steps.ts";
import type { State } from "./reactor.ts";
import { readActivity, timesSince } from "./reactors/activity.ts";
import { chosenAt, currentStep, hasChosen, readJourney } from "./reactors/journey.ts";
import { readProfile } from "./reactors/profile.ts";
import { feelsLow, readWellbeing } from "./reactors/wellbeing.ts";
import { inMs, type Settings } from "./settings.ts";

const steps: Readonly<Record<JourneyStep, string>> = {
  exploration_commencée: "Commencer votre exploration avec Phoenix Aube",
  valeurs_explorées: "Explorer vos valeurs avec Phoenix Aube",
  compétences_révélées: "Révéler vos compétences avec Phoenix Aube",
  tests_psychométriques_complétés: "Compléter vos tests psychométriques avec Phoenix Aube",
  recommandations_générées: "Découvrir vos recommandations de métiers avec Phoenix Aube",
  validation_ia_effectuée: "Vérifier la résistance à l'IA de vos métiers avec Phoenix Aube",
  métier_choisi: "Choisir votre métier avec Phoenix Aube",
  transition_écosystème: "Rejoindre une autre application Phoenix",
};

/**
 * What would help the user next, the first thing first; in French, and never empty.
 *
 * @param now milliseconds since 1970
 */
export function nextActions(
  states: State,
  now: number,
  { nudges: settings }: Settings,
): string[] {
  const journey = readJourney(states);
  const activity = readActivity(states);
  // What was done before the job was chosen was done for another one.
  const since = chosenAt(states) ?? -Infinity;
  const has = (app: App) => timesSince(activity, app, since) > 0;
  const step = currentStep(journey);

  const actions: string[] = [];
  if (step) actions.push(steps[step]);
  if (hasChosen(journey) || has("letters") || has("cv")) {
    if (!has("cv")) actions.push("Créer votre CV avec Phoenix CV");
    if (!has("letters")) actions.push("Rédiger lettres motivation avec Phoenix Letters");
    if (has("cv") && has("letters")) {
      actions.push(
        has("rise")
          ? "Suivre vos progrès avec Phoenix Rise"
          : "Préparer la suite en confiance avec Phoenix Rise",
      );
    }
  }
  const lately = now - inMs(settings.recent_days);
  const { anxiety_level = 0, said_at } = readProfile(states);
  const isAnxious = anxiety_level >= settings.high_anxiety &&
    (said_at?.anxiety_level ?? -Infinity) >= lately;
  if (isAnxious || feelsLow(readWellbeing(states), lately, settings)) {
    actions.push("Prendre un moment pour vous avec Phoenix Rise");
  }
  if (actions.length === 0) {
    actions.push(
      has("rise") ? "Suivre vos progrès avec Phoenix Rise" : steps.exploration_commencée,
    );
  }
  return actions;
}
