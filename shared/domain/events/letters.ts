import { eventSchema } from "./event-schema.ts";
import { count, flag, id, optional, score, seconds, text, texts, url } from "./fields.ts";

const offer = {
  job_offer_id: optional(id, "The job offer, as the app calls it."),
  job_title: optional(text(), "The job that is offered."),
  company: optional(text(), "The company that offers it."),
  company_name: optional(text(), "The same company, under its longer name."),
};

const letter = { ...offer, letter_id: optional(id, "The letter, as the app calls it.") };

/** Letters: a user writes cover letters that match an offer. */
export const lettersEvents = {
  "letter.generated": eventSchema({
    ...letter,
    match_score: optional(score, "How well the user matches the offer, 0 to 1."),
    personalization_score: optional(score, "How personal the letter is, 0 to 1."),
    word_count: optional(count(), "How long the letter is."),
    is_career_change: optional(flag, "Whether the user changes their job."),
    user_tier: optional(text(50), "The user's plan, such as free or premium."),
    generation_time_seconds: optional(seconds, "How long the generation took."),
  }, {
    title: "Letter generated",
    description: "The app wrote a cover letter. Without a CV, it invites to CV.",
    examples: [{
      job_title: "Data Scientist",
      company: "Exemple SA",
      personalization_score: 0.9,
    }],
  }),
  "job_offer.analyzed": eventSchema({
    ...offer,
    job_url: optional(url, "Where the offer stands."),
    match_score: optional(score, "How well the user matches the offer, 0 to 1."),
    keywords_extracted: optional(texts, "What the offer asks for."),
  }, {
    title: "Job offer analyzed",
    description: "The app read a job offer for the user.",
    examples: [{ job_title: "Data Scientist", match_score: 0.82, keywords_extracted: ["Python"] }],
  }),
  "mirror_match.performed": eventSchema({
    ...offer,
    match_score: optional(score, "How well the user matches the offer, 0 to 1."),
    strengths: optional(texts, "What speaks for the user."),
    gaps: optional(texts, "What the user lacks."),
  }, {
    title: "Mirror Match performed",
    description: "The user compared themself with a job offer.",
    examples: [{ match_score: 0.74, strengths: ["analyse"], gaps: ["SQL"] }],
  }),
  "personalization.applied": eventSchema({
    ...letter,
    personalization_score: optional(score, "How personal the letter is, 0 to 1."),
  }, {
    title: "Personalization applied",
    description: "The app made a letter more personal.",
    examples: [{ letter_id: "letter-1", personalization_score: 0.93 }],
  }),
};
