import { eventSchema } from "./event-schema.ts";
import { atsScore, count, flag, id, optional, seconds, text, texts } from "./fields.ts";
import { namedList } from "./profile.ts";

const cv = {
  cv_id: optional(id, "The CV, as the app calls it."),
  ats_score: optional(atsScore, "How well the CV passes applicant tracking systems, 0 to 100."),
  job_title: optional(text(), "The job that the CV is for."),
};

const template = {
  template_id: optional(id, "The template, as the app calls it."),
  template_name: optional(text(), "The template's name."),
  template_category: optional(text(100), "The template's category."),
};

/** CV: a user writes CVs that recruiters' software understands. */
export const cvEvents = {
  "cv.uploaded": eventSchema({
    ...cv,
    filename: optional(text(), "The file's name."),
    size_bytes: optional(count(), "The file's size."),
    skills: optional(namedList, "Skills found in the CV."),
  }, {
    title: "CV uploaded",
    description:
      "The user uploaded a CV they already had. Without a letter, it invites to Letters.",
    examples: [{ filename: "cv.pdf", size_bytes: 256_000 }],
  }),
  "cv.generated": eventSchema({
    ...cv,
    ...template,
    skills_count: optional(count(), "How many skills the CV lists."),
    experience_count: optional(count(), "How many experiences the CV lists."),
    generation_time_seconds: optional(seconds, "How long the generation took."),
  }, {
    title: "CV generated",
    description: "The app wrote a CV for the user.",
    examples: [{ template_name: "Moderne", ats_score: 87.5, skills_count: 12 }],
  }),
  "cv.optimized": eventSchema({
    ...cv,
    ats_score_before: optional(atsScore, "The score before, 0 to 100."),
    ats_score_after: optional(atsScore, "The score after, 0 to 100."),
    improvements: optional(texts, "What was improved."),
  }, {
    title: "CV optimized",
    description: "The app improved a CV for applicant tracking systems.",
    examples: [{ ats_score_before: 61, ats_score_after: 84, improvements: ["mots-clés"] }],
  }),
  "template.selected": eventSchema({
    ...template,
    premium: optional(flag, "Whether the template needs a paid plan."),
  }, {
    title: "Template selected",
    description: "The user selected a template for a CV.",
    examples: [{ template_id: "modern", template_category: "professional" }],
  }),
  "ats_score.calculated": eventSchema({
    ...cv,
    ats_score: atsScore.describe("How well the CV passes applicant tracking systems, 0 to 100."),
    matched_keywords: optional(texts, "The offer's keywords that the CV has."),
    missing_keywords: optional(texts, "The offer's keywords that the CV lacks."),
  }, {
    title: "ATS score calculated",
    description: "The app scored how well a CV passes applicant tracking systems.",
    examples: [{ ats_score: 72, missing_keywords: ["SQL"] }],
  }),
};
