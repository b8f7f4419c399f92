import { z } from "zod";
import { transitionContext } from "./events/transition-context.ts";
import { nudgeTypes } from "./nudge-types.ts";

const text = z.string().min(1);

/** The envelope's rule, as far as others build on it: nothing in a name has to be escaped. */
const eventName = z.string().regex(/^[\p{L}\p{M}\p{N}_.-]+$/u);

/**
 * What an effect goes back to, where its cause alone does not say: a timer has no event, yet some event began it.
 * Left out, the cause's own event and correlation stand.
 */
const origin = {
  causation_id: text.optional(),
  correlation_id: text.optional(),
};

/** A nudge towards another app. */
const nudgeEffect = z.object({
  kind: z.literal("nudge"),
  ...origin,
  nudge_type: z.enum(nudgeTypes),
  app_source: text,
  target_app: text,
  /** The wording's name, or `holdout` for a nudge that is recorded and not shown. */
  variant: text,
  title: text,
  message: text,
  cta_label: text,
  cta_url: z.string().regex(/^https?:\/\/[^\s/]\S*$/),
  /** Milliseconds since 1970. */
  expires_at: z.int(),
});

/** What became of a nudge, where it is the fold that knows. */
const nudgeChangeEffect = z.object({
  kind: z.literal("nudge_change"),
  nudge_id: z.guid(),
  change: z.enum(["converted", "expired", "cancelled"]),
});

/** An event that the flywheel itself appends to the user's stream. */
const eventEffect = z.object({
  kind: z.literal("event"),
  ...origin,
  event_type: eventName,
  app_source: eventName,
  payload: z.record(z.string(), z.unknown()),
  /** What it tells of, such as a nudge's id: tells it from other events of its type and cause. */
  subject: text,
});

/** A user is handed over to another app. Its id is the transition's. */
const transitionEffect = z.object({
  kind: z.literal("transition"),
  source_app: text,
  target_app: text,
  context: transitionContext,
  /** Milliseconds since 1970. */
  expires_at: z.int(),
});

/** A transition's time is over: it expires unless somebody has answered it. */
const expiryEffect = z.object({
  kind: z.literal("expiry"),
  transition_id: z.guid(),
});

/** What follows from an event: data, until the commit writes it. */
export const effect = z.discriminatedUnion("kind", [
  nudgeEffect,
  nudgeChangeEffect,
  eventEffect,
  transitionEffect,
  expiryEffect,
]);

export type NudgeEffect = z.output<typeof nudgeEffect>;
export type EventEffect = z.output<typeof eventEffect>;
export type TransitionEffect = z.output<typeof transitionEffect>;
export type ExpiryEffect = z.output<typeof expiryEffect>;
export type Effect = z.output<typeof effect>;

/**
 * What tells an effect from the other effects of the same cause; with the cause it makes the effect's id, so that no
 * replay writes it twice.
 */
export function effectName(effect: Effect): string {
  switch (effect.kind) {
    case "nudge":
      return `nudge:${effect.nudge_type}`;
    case "nudge_change":
      return `nudge_change:${effect.change}:${effect.nudge_id}`;
    case "event":
      return `event:${effect.event_type}:${effect.subject}`;
    case "transition":
      return `transition:${effect.target_app}`;
    case "expiry":
      return `expiry:${effect.transition_id}`;
  }
}
