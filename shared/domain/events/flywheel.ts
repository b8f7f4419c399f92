import { eventSchema } from "./event-schema.ts";
import { optional, text, uuid } from "./fields.ts";

const nudge = {
  nudge_id: uuid.describe("The nudge."),
  nudge_type: optional(text(100), "What kind of nudge it is."),
  target_app: optional(text(100), "The app that it invites to."),
  variant: optional(text(50), "The wording that the user got, or the holdout."),
};

const reason = optional(text(), "Why, in a few words.");
const examples = [{
  nudge_id: "0197a3c4-7c1e-5d2a-9b60-3f1d2c4b5a69",
  nudge_type: "letters_to_cv",
  target_app: "cv",
  variant: "a",
}] as const;

/** What the flywheel itself appends to a user's stream. */
export const flywheelEvents = {
  "nudge.shown": eventSchema(nudge, {
    title: "Nudge shown",
    description: "An app showed a nudge to the user.",
    examples,
  }),
  "nudge.clicked": eventSchema(nudge, {
    title: "Nudge clicked",
    description: "The user followed a nudge.",
    examples,
  }),
  "nudge.dismissed": eventSchema(nudge, {
    title: "Nudge dismissed",
    description: "The user waved a nudge away. The flywheel takes the hint.",
    examples,
  }),
  "nudge.converted": eventSchema({
    ...nudge,
    event_type: optional(text(100), "What the user did that the nudge had invited to."),
  }, {
    title: "Nudge converted",
    description: "The user did what a nudge had invited to.",
    examples: [{ ...examples[0], event_type: "cv.generated" }],
  }),
  "nudge.expired": eventSchema({ ...nudge, reason }, {
    title: "Nudge expired",
    description: "A nudge's time ran out before the user followed it.",
    examples,
  }),
  "nudge.cancelled": eventSchema({ ...nudge, reason }, {
    title: "Nudge cancelled",
    description: "The flywheel took a nudge back, because it no longer helped.",
    examples: [{ ...examples[0], reason: "the user already has a CV" }],
  }),
};
