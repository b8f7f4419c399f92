import { eventSchema } from "./event-schema.ts";
import { euros, id, longText, minutes, optional, satisfaction, text } from "./fields.ts";

const tier = optional(text(50), "The user's plan, such as free or premium.");
const previousTier = optional(text(50), "The plan that it replaces.");

/** The user's account, which any app may report on. */
export const accountEvents = {
  "user.registered": eventSchema({
    registration_method: optional(text(100), "How the user registered, such as email_password."),
    tier,
    referrer: optional(text(2000), "Where the user came from."),
  }, {
    title: "User registered",
    description: "Somebody became a Phoenix user.",
    examples: [{ registration_method: "email_password", tier: "free" }],
  }),
  "user.login": eventSchema({
    method: optional(text(100), "How the user signed in."),
  }, {
    title: "User signed in",
    description: "The user signed in to an app.",
    examples: [{ method: "email_password" }],
  }),
  "user.logout": eventSchema({
    duration_minutes: optional(minutes, "How long the user was signed in."),
  }, {
    title: "User signed out",
    description: "The user signed out of an app.",
    examples: [{ duration_minutes: 25 }],
  }),
  "user.tier_updated": eventSchema({
    tier,
    new_tier: optional(text(50), "The same plan, under another name."),
    previous_tier: previousTier,
  }, {
    title: "User tier updated",
    description: "The user's plan changed, with or without a payment.",
    examples: [{ tier: "premium", previous_tier: "free" }],
  }),
  "subscription.activated": eventSchema({
    subscription_id: optional(id, "The subscription, as the payment service calls it."),
    tier,
    subscription_tier: optional(text(50), "The same plan, under its longer name."),
    plan: optional(text(100), "What was bought, such as cv_premium_monthly."),
    previous_tier: previousTier,
    amount_eur: optional(euros, "What the user pays a period, in euros."),
    billing_period: optional(text(50), "How often the user pays, such as month or year."),
  }, {
    title: "Subscription activated",
    description: "The user started to pay. It counts towards the cross-sell figures.",
    examples: [{ tier: "premium", plan: "cv_premium_monthly", amount_eur: 9.99 }],
  }),
  "feedback.submitted": eventSchema({
    satisfaction: optional(satisfaction, "How satisfied the user is, 1 to 5."),
    comment: optional(longText, "What the user wrote."),
    feature: optional(text(), "What the feedback is about."),
  }, {
    title: "Feedback submitted",
    description: "The user said what they think of an app.",
    examples: [{ satisfaction: 4, comment: "Très utile" }],
  }),
};
