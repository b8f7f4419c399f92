import { eventSchema } from "./event-schema.ts";
import {
  count,
  id,
  longText,
  minutes,
  mood,
  optional,
  percent,
  satisfaction,
  score,
  text,
  texts,
} from "./fields.ts";

const moodChange = {
  mood_before: optional(mood, "The user's mood before, 1 (low) to 10."),
  mood_after: optional(mood, "The user's mood after, 1 (low) to 10."),
};

const session = {
  session_id: optional(id, "The session, as the app calls it."),
  session_type: optional(text(100), "What kind of session it is."),
  coaching_focus: optional(text(), "What the session is about."),
};

const goal = {
  goal_id: optional(id, "The goal, as the app calls it."),
  goal: optional(text(), "The goal, in the user's words."),
};

/** Rise: a user is coached through the change. */
export const riseEvents = {
  "coaching_session.started": eventSchema({
    ...session,
    mood_before: moodChange.mood_before,
  }, {
    title: "Coaching session started",
    description: "The user began a coaching session.",
    examples: [{ session_type: "confidence", mood_before: 5 }],
  }),
  "coaching_session.completed": eventSchema({
    ...session,
    ...moodChange,
    duration_minutes: optional(minutes, "How long the session took."),
    satisfaction: optional(satisfaction, "What the user thought of it, 1 to 5."),
  }, {
    title: "Coaching session completed",
    description: "The user completed a coaching session.",
    examples: [{ duration_minutes: 30, mood_before: 4, mood_after: 7, satisfaction: 5 }],
  }),
  "mood.logged": eventSchema({
    mood_score: mood.describe("The user's mood, 1 (low) to 10."),
    anxiety_level: optional(score, "0 is calm, 1 is very anxious."),
    mood_tags: optional(texts, "Words for the mood."),
    notes: optional(longText, "What the user wrote about it."),
  }, {
    title: "Mood logged",
    description:
      "The user said how they feel. The flywheel is gentler with a user who feels low or anxious.",
    examples: [{ mood_score: 7, anxiety_level: 0.3, mood_tags: ["motivé"] }],
  }),
  "goal.set": eventSchema({
    ...goal,
    category: optional(text(100), "What the goal is about."),
    target_date: optional(text(50), "When the user wants to reach it."),
  }, {
    title: "Goal set",
    description: "The user set themself a goal.",
    examples: [{ goal: "Postuler à trois offres", target_date: "2025-02-15" }],
  }),
  "progress.tracked": eventSchema({
    ...goal,
    progress_percent: optional(percent, "How much of the goal is reached, 0 to 100."),
  }, {
    title: "Progress tracked",
    description: "The user noted progress towards a goal.",
    examples: [{ goal_id: "goal-1", progress_percent: 60 }],
  }),
  "meditation.completed": eventSchema({
    ...moodChange,
    duration_minutes: optional(minutes, "How long the meditation took."),
    technique: optional(text(100), "What kind of meditation it was."),
  }, {
    title: "Meditation completed",
    description: "The user completed a meditation.",
    examples: [{ duration_minutes: 10, mood_after: 8 }],
  }),
  "journal.entry_created": eventSchema({
    entry_id: optional(id, "The entry, as the app calls it."),
    mood_score: optional(mood, "The user's mood, 1 (low) to 10."),
    word_count: optional(count(), "How long the entry is."),
    tags: optional(texts, "What the entry is about."),
  }, {
    title: "Journal entry created",
    description: "The user wrote in their journal. What they wrote stays in the app.",
    examples: [{ word_count: 180, mood_score: 6 }],
  }),
};
