import type { App } from "../apps.ts";
import { day } from "../duration.ts";
import type { NudgeType } from "../nudge-types.ts";

/** The last events of each app that a user did something in: their times in milliseconds since 1970, oldest first. */
export type Activity = Readonly<Partial<Record<App, readonly number[]>>>;

/** How many of an app's last events {@link Activity} keeps: what the most demanding rule counts. */
export const activityKept = 3;

/** When which nudge helps. */
export interface NudgeRule {
  readonly nudge_type: NudgeType;
  readonly target_app: App;
  readonly title: string;
  readonly message: string;
  readonly cta_label: string;
  /** Whether the nudge fits what the user did until `now`. */
  fits(activity: Activity, now: number): boolean;
}

const recent = 30 * day;

/** How many of an app's last events lie within the 30 days before now. */
function eventsIn(activity: Activity, app: App, now: number): number {
  return (activity[app] ?? []).filter((at) => at > now - recent).length;
}

export const nudgeRules: readonly NudgeRule[] = [
  {
    nudge_type: "letters_to_cv",
    target_app: "cv",
    title: "Optimisez vos chances avec Phoenix CV !",
    message:
      "Vos lettres sont prêtes. Complétez-les par un CV accordé à l'offre et lisible par les recruteurs.",
    cta_label: "Créer mon CV",
    fits: (activity, now) =>
      eventsIn(activity, "letters", now) >= 1 && eventsIn(activity, "cv", now) === 0,
  },
  {
    nudge_type: "cv_to_letters",
    target_app: "letters",
    title: "Votre CV mérite une lettre à sa hauteur",
    message:
      "Phoenix Letters rédige avec vous une lettre de motivation qui reprend les points forts de votre CV.",
    cta_label: "Rédiger ma lettre",
    fits: (activity, now) =>
      eventsIn(activity, "cv", now) >= 3 && eventsIn(activity, "letters", now) === 0,
  },
];
