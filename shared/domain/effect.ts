import { z } from "zod";

const text = z.string().min(1);

/** A nudge towards another app. */
export const nudgeEffect = z.object({
  kind: z.literal("nudge"),
  nudge_type: text,
  app_source: text,
  target_app: text,
  variant: text,
  title: text,
  message: text,
  cta_label: text,
  cta_url: z.url(),
  /** Milliseconds since 1970. */
  expires_at: z.int(),
});

/** What follows from an event: data, until the commit writes it. */
export const effect = z.discriminatedUnion("kind", [nudgeEffect]);

export type NudgeEffect = z.output<typeof nudgeEffect>;
export type Effect = z.output<typeof effect>;

/**
 * What tells an effect from the other effects of the same cause; with the cause it makes the effect's id, so that no
 * replay writes it twice.
 */
export function effectName(effect: Effect): string {
  switch (effect.kind) {
    case "nudge":
      return `nudge:${effect.nudge_type}`;
  }
}
