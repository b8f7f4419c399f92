/** The steps of an exploration with Aube, in the order that Aube proposes. */
export const journeySteps = [
  "exploration_commencée",
  "valeurs_explorées",
  "compétences_révélées",
  "tests_psychométriques_complétés",
  "recommandations_générées",
  "validation_ia_effectuée",
  "métier_choisi",
  "transition_écosystème",
] as const;

export type JourneyStep = (typeof journeySteps)[number];
