import type { z } from "zod";
import { name, object, optional, score, text, texts } from "./fields.ts";
import { personalityInsights } from "./profile.ts";

/**
 * What an app hands over with a user, so that the next one need not ask again. Which fields are there
 * depends on the app that it is for; the name in brackets says which.
 */
export const transitionContext = object({
  métier_choisi: optional(name(), "[cv] The job that the user chose."),
  compétences_à_valoriser: optional(texts, "[cv] Skills that matter for that job."),
  skills_to_highlight: optional(texts, "[cv] Strengths to put forward."),
  transition_narrative: optional(text(5000), "[cv] The career change in a sentence."),
  ia_resistance_score: optional(score, "[cv] How well the job resists automation by AI."),
  reconversion_story: optional(text(5000), "[letters] The story to tell a recruiter."),
  ia_narrative: optional(text(5000), "[letters] How the job stands towards AI."),
  motivation_context: optional(texts, "[letters] Why the user wants to change."),
  personality_insights: optional(personalityInsights, "[letters] Big Five and RIASEC."),
  transformation_goal: optional(name(), "[rise] What the user wants to become."),
  confidence_baseline: optional(text(50), "[rise] Confidence at the start: low, medium or high."),
  coaching_focus: optional(text(), "[rise] What the coaching should be about."),
  anxiety_level: optional(score, "[rise] 0 is calm, 1 is very anxious."),
  growth_areas: optional(texts, "[rise] Where the user wants to grow."),
});

/** What an app hands over with a user. */
export type TransitionContext = z.output<typeof transitionContext>;
