import type { App } from "../apps.ts";
import type { TransitionContext } from "../events/transition-context.ts";
import type { Choice, Profile } from "./profile.ts";

/** A job that AI rather leaves alone: its resistance, from 0 to 1, is above the middle. */
const resistant = 0.5;

/**
 * What an app is told about a user who is handed over to it, as the product's documents write it. It is about the job chosen last;
 * what nobody said or found out is left out.
 *
 * @param said what is said by the app or user that asks for the transition: it goes before what the flywheel knows
 */
export function contextFor(
  target: App,
  profile: Profile,
  said: TransitionContext = {},
): TransitionContext {
  return { ...knownFor(target, profile), ...known(said) };
}

function knownFor(target: App, profile: Profile): TransitionContext {
  switch (target) {
    case "cv":
      return contextForCv(profile);
    case "letters":
      return contextForLetters(profile);
    case "rise":
      return contextForRise(profile);
    default:
      return {};
  }
}

function contextForCv({ choix, ...profile }: Profile): TransitionContext {
  return known({
    métier_choisi: choix?.métier,
    compétences_à_valoriser: choix?.compétences_à_valoriser ??
      profile.compétences_à_valoriser ?? profile.compétences,
    skills_to_highlight: choix?.skills_to_highlight ?? profile.skills_to_highlight,
    transition_narrative: choix &&
      `Reconversion vers ${choix.métier}${isRefused(choix) ? "" : " validée par Phoenix Aube"}`,
    ia_resistance_score: choix?.rating?.score_ia_résistance,
  });
}

function contextForLetters({ choix, ...profile }: Profile): TransitionContext {
  return known({
    reconversion_story: choix &&
      `Transition ${isRefused(choix) ? "" : "validée "}vers ${choix.métier}`,
    ia_narrative: choix?.rating?.ia_narrative ??
      (resists(choix) ? "Métier choisi résistant aux disruptions IA" : undefined),
    motivation_context: [...profile.motivations ?? [], ...profile.valeurs ?? []].map(worded),
    personality_insights: known({ big_five: profile.big_five, riasec: profile.riasec }),
  });
}

function contextForRise({ choix, ...profile }: Profile): TransitionContext {
  return known({
    transformation_goal: choix?.métier,
    coaching_focus: resists(choix) ? "IA-proof career transition" : undefined,
    anxiety_level: profile.anxiety_level,
    growth_areas: profile.gaps,
  });
}

/** Whether Aube has said that the job did not pass. */
function isRefused(choix: Choice): boolean {
  return choix.rating?.validé === false;
}

function resists(choix: Profile["choix"]): boolean {
  return (choix?.rating?.score_ia_résistance ?? 0) > resistant;
}

/** A motivation as a person reads it: `recherche_sens` is "Recherche sens". */
function worded(said: string): string {
  const text = said.replaceAll("_", " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The fields that say something. */
function known(fields: object): TransitionContext {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) =>
      value != null && (typeof value !== "object" || Object.keys(value).length > 0)
    ),
  );
}
