import { eventSchema } from "./event-schema.ts";
import { count, flag, id, minutes, name, optional, score, text, texts } from "./fields.ts";
import { bigFive, namedList, personalityInsights, riasec } from "./profile.ts";
import { transitionContext } from "./transition-context.ts";

/** What every step of an exploration may say. */
const step = {
  parcours_id: optional(id, "The exploration that this step belongs to, as Aube calls it."),
  durée_minutes: optional(minutes, "How long the step took, in minutes."),
};

/** Aube: a user explores which job to change to. */
export const aubeEvents = {
  exploration_commencée: eventSchema({
    ...step,
    motivations: optional(texts, "Why the user wants to change."),
    métier_actuel: optional(text(), "The user's present job."),
  }, {
    title: "Exploration started",
    description: "The user began to explore a new job. It opens the journey that Aube measures.",
    examples: [{ parcours_id: "parcours-1", motivations: ["recherche_sens"] }],
  }),
  valeurs_explorées: eventSchema({
    ...step,
    valeurs: optional(namedList, "What matters to the user at work."),
  }, {
    title: "Values explored",
    description: "The user said what matters to them at work.",
    examples: [{ valeurs: ["autonomie", "créativité"], durée_minutes: 12.5 }],
  }),
  compétences_révélées: eventSchema({
    ...step,
    compétences: optional(namedList, "Skills that the user has."),
    compétences_transférables: optional(namedList, "Skills that carry over to another job."),
    compétences_à_valoriser: optional(namedList, "Skills to put forward."),
    skills_to_highlight: optional(namedList, "Strengths to put forward."),
  }, {
    title: "Skills revealed",
    description: "The user's skills came to light. A transition hands them over to CV.",
    examples: [
      { compétences: ["communication", "analyse"] },
      { compétences: [{ nom: "Python" }, "Machine Learning"], durée_minutes: 9 },
    ],
  }),
  tests_psychométriques_complétés: eventSchema({
    ...step,
    big_five: optional(bigFive, "The Big Five traits, each from 0 to 1."),
    riasec: optional(riasec, "Holland's interests, the dominant ones first."),
    personality_insights: optional(personalityInsights, "The same two, together."),
    anxiety_level: optional(score, "0 is calm, 1 is very anxious."),
  }, {
    title: "Psychometric tests completed",
    description:
      "The user completed the Big Five and RIASEC tests. A transition hands them over to Letters.",
    examples: [{
      big_five: { openness: 0.8, conscientiousness: 0.9 },
      riasec: ["Investigative", "Realistic"],
    }],
  }),
  recommandations_générées: eventSchema({
    ...step,
    recommandations: optional(namedList, "The recommended jobs, best first."),
    recommandations_count: optional(count(), "How many jobs were recommended."),
    nombre_recommandations: optional(count(), "The same number, under its French name."),
    analyses_ia_count: optional(count(), "How many of them were checked against AI."),
    top_métier: optional(text(), "The job recommended first."),
  }, {
    title: "Recommendations generated",
    description: "Aube recommended jobs to the user.",
    examples: [{
      recommandations: [{
        métier: "Data Scientist",
        score_compatibilité: 0.87,
        score_ia_résistance: 0.72,
      }],
      recommandations_count: 1,
    }],
  }),
  validation_ia_effectuée: eventSchema({
    ...step,
    métier: optional(text(), "The job that was checked."),
    score_ia_résistance: optional(score, "How well the job resists automation by AI."),
    score_résistance: optional(score, "The same score, under its short name."),
    ia_resistance_score: optional(score, "The same score, under its English name."),
    ia_narrative: optional(text(5000), "How the job stands towards AI."),
    validé: optional(flag, "Whether the job passed."),
  }, {
    title: "AI validation done",
    description: "Aube estimated how well a job resists automation by AI.",
    examples: [{ métier: "Data Scientist", score_ia_résistance: 0.72 }],
  }),
  métier_choisi: eventSchema({
    ...step,
    métier: name().describe("The job that the user chose."),
    score_compatibilité: optional(score, "How well the job fits the user."),
    score_ia_résistance: optional(score, "How well the job resists automation by AI."),
    compétences_à_valoriser: optional(texts, "Skills that matter for that job."),
    skills_to_highlight: optional(texts, "Strengths to put forward."),
  }, {
    title: "Job chosen",
    description:
      "The user chose a job. It completes the exploration, and the flywheel hands the job over to CV, Letters and Rise.",
    examples: [{
      métier: "Data Scientist",
      score_compatibilité: 0.87,
      score_ia_résistance: 0.72,
    }],
  }),
  transition_écosystème: eventSchema({
    ...step,
    transition_id: optional(id, "The transition, where the flywheel already knows it."),
    source_app: optional(text(100), "The app that the user comes from."),
    target_app: optional(text(100), "The app that the user goes to."),
    app_cible: optional(text(100), "The same app, under its French name."),
    status: optional(text(50), "Where the transition stands, such as requested or completed."),
    context: optional(transitionContext, "What the next app should know."),
    contexte: optional(transitionContext, "The same, under its French name."),
    transition_context: optional(transitionContext, "The same, as Aube's documents name it."),
    contexte_transition: optional(transitionContext, "The same, as Aube's documents name it, too."),
  }, {
    title: "Ecosystem transition",
    description: "The user moves on to another Phoenix app, which receives the context.",
    examples: [{
      target_app: "rise",
      transition_context: {
        transformation_goal: "Data Scientist",
        confidence_baseline: "medium",
        anxiety_level: 0.3,
        growth_areas: ["Confiance en soi"],
      },
    }],
  }),
};
