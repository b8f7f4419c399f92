import type { App } from "../apps.ts";
import { asKnown, type KnownEvent } from "../events/known-event.ts";
import { type NudgeType, nudgeTypes } from "../nudge-types.ts";
import type { Context, ReactorEvent, State } from "../reactor.ts";
import { inMs, type Settings } from "../settings.ts";
import { appOf, readActivity, timesSince } from "./activity.ts";
import { chosenAt, lastChosenAt } from "./journey.ts";
import { anxietyIn, feelsLow, moodOf, readWellbeing } from "./wellbeing.ts";

/** What the rules look at: what just happened, and what is known since. */
interface Situation {
  readonly event: KnownEvent;
  /** The reactors' memory, with that event. */
  readonly states: State;
  readonly settings: Settings["nudges"];
  /** What has happened since then was lately. */
  readonly since: number;
  /** How often, three at most, the user did something in an app lately. */
  readonly times: Readonly<Record<"cv" | "letters" | "rise", number>>;
  /** When the user first chose the job that they have chosen lately. */
  readonly chosenAt: number | undefined;
}

interface NudgeRule {
  /** Where the nudge leads. */
  readonly target_app: App;
  /** Whether what just happened calls for it; absent where only a timer or another event does. */
  fits?(situation: Situation): boolean;
  /**
   * What the nudge leads to makes it pointless where it has not been seen: if done since the job was chosen, or since the nudge was
   * decided on; absent: if done lately.
   */
  readonly since?: "choice" | "decision";
  /** Whether an event is what the nudge leads to; absent where any activity in the target app is. */
  isTarget?(event: ReactorEvent): boolean;
}

const restful: ReadonlySet<string> = new Set([
  "meditation.completed",
  "coaching_session.started",
  "coaching_session.completed",
  "journal.entry_created",
]);

/** How long ago something may have been said and still count as just said, in milliseconds: an app may have been offline. */
const justSaid = inMs(1);

const rules: Readonly<Record<NudgeType, NudgeRule>> = {
  wellbeing_support: {
    target_app: "rise",
    since: "decision",
    // Only a user who has just said that they feel low is answered; nobody is reminded of a bad day.
    fits: ({ event, states, settings, since }) =>
      event.timestamp > event.received_at - justSaid &&
      ((anxietyIn(event) ?? 0) >= settings.high_anxiety ||
        (moodOf(event) ?? Infinity) <= settings.low_mood &&
          feelsLow(readWellbeing(states), since, settings)),
    // Logging the next mood is no answer to the invitation.
    isTarget: ({ event_type }) => restful.has(event_type),
  },
  aube_to_cv: {
    target_app: "cv",
    since: "choice",
    fits: (situation) => hasChosenWithout("cv", situation),
  },
  aube_to_letters: {
    target_app: "letters",
    since: "choice",
    fits: (situation) => hasChosenWithout("letters", situation),
  },
  letters_to_cv: {
    target_app: "cv",
    fits: ({ times }) => times.letters >= 1 && times.cv === 0,
  },
  cv_to_letters: {
    target_app: "letters",
    fits: ({ times }) => times.cv >= 3 && times.letters === 0,
  },
  ecosystem_to_rise: {
    target_app: "rise",
    fits: ({ times }) => times.cv >= 1 && times.letters >= 1 && times.rise === 0,
  },
  letters_to_rise: {
    target_app: "rise",
    fits: ({ times }) => times.letters >= 2 && times.rise === 0,
  },
  journey_stalled: { target_app: "aube", since: "decision" },
};

/** The nudges that what just happened calls for, the most pressing first. */
export function nudgesFor(
  event: ReactorEvent,
  { states, settings: { nudges: settings } }: Pick<Context, "states" | "settings">,
): NudgeType[] {
  const since = event.received_at - inMs(settings.recent_days);
  const activity = readActivity(states);
  const hasChosen = (lastChosenAt(states) ?? -Infinity) > since;
  const situation: Situation = {
    event: asKnown(event),
    states,
    settings,
    since,
    times: {
      cv: timesSince(activity, "cv", since),
      letters: timesSince(activity, "letters", since),
      rise: timesSince(activity, "rise", since),
    },
    chosenAt: hasChosen ? chosenAt(states) : undefined,
  };
  const fitting = nudgeTypes.filter((type) => rules[type].fits?.(situation));
  // Whoever has just said that they feel low is not advertised to in the same breath.
  return fitting.includes("wellbeing_support") ? ["wellbeing_support"] : fitting;
}

/** Where nudges of a type lead. */
export function targetOf(type: NudgeType): App {
  return rules[type].target_app;
}

/** Whether nudges of a type are about the job that the user chose. */
export function isAboutChoice(type: NudgeType): boolean {
  return rules[type].since === "choice";
}

/** Whether an event is what nudges of a type lead to. */
export function isTargetOf(type: NudgeType, event: ReactorEvent): boolean {
  const { target_app, isTarget } = rules[type];
  return isTarget ? isTarget(event) : appOf(event) === target_app;
}

/**
 * Whether an event that a nudge leads to makes it pointless, where nobody has seen it yet: not where that happened long ago and is only
 * told of now.
 *
 * @param sent_at when the nudge was decided on, milliseconds since 1970
 */
export function isPointless(
  type: NudgeType,
  sent_at: number,
  event: ReactorEvent,
  { states, settings: { nudges: settings } }: Pick<Context, "states" | "settings">,
): boolean {
  const lately = event.received_at - inMs(settings.recent_days);
  switch (rules[type].since) {
    case "choice":
      return event.timestamp >= (chosenAt(states) ?? lately);
    case "decision":
      return event.timestamp >= sent_at;
    default:
      return event.timestamp >= lately;
  }
}

/** The nudge that invites a user to an app which did not take them over. */
export function compensationFor(target_app: string): NudgeType | undefined {
  switch (target_app) {
    case "cv":
      return "aube_to_cv";
    case "letters":
      return "aube_to_letters";
    case "rise":
      return "ecosystem_to_rise";
    default:
      return undefined;
  }
}

/** Whether a job was chosen lately and nothing done in an app since. */
function hasChosenWithout(app: App, { states, chosenAt }: Situation): boolean {
  return chosenAt !== undefined && timesSince(readActivity(states), app, chosenAt) === 0;
}
