/** Every kind of nudge, each an experiment of its own. Names are stable: they stand in tables and settings. */
export const nudgeTypes = [
  "wellbeing_support",
  "aube_to_cv",
  "aube_to_letters",
  "letters_to_cv",
  "cv_to_letters",
  "ecosystem_to_rise",
  "letters_to_rise",
  "journey_stalled",
] as const;

export type NudgeType = (typeof nudgeTypes)[number];
