import { z } from "zod";
import { day } from "./duration.ts";

/** A number of days that is not 0 when rounded to milliseconds. */
const days = z.number().min(1 / day, "must be at least a millisecond").max(366);
const minutes = z.number().positive().max(1440);
const share = z.number().min(0).max(1);
const times = z.int().min(0).max(100);
/** A wall-clock time, `21:00`. */
const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/);
const timeZone = z.string().refine((zone) => {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: zone }) !== undefined;
  } catch {
    return false;
  }
}, "must be a time zone, such as Europe/Paris");

/** How the users of one nudge type are divided; what is left out follows from the rest. */
const experiment = z.strictObject({
  /** The share of users who are not nudged, to compare with. */
  holdout: share.optional(),
  /** The weights of the wordings, by variant; 1 each. A variant of weight 0 is not given to anybody. */
  weights: z.record(z.string(), z.number().min(0).max(1000)).optional(),
});

const journey = z.strictObject({
  /** Minutes on a step beyond which it is a blockage. */
  blockage_minutes: minutes.default(10),
  /** Minutes without a step beyond which the user has left; the time away is not time spent. */
  pause_minutes: minutes.default(60),
});

const nudges = z.strictObject({
  /** How long an activity counts as the user's own habit. */
  recent_days: days.default(30),
  /** How long a nudge waits to be followed. */
  lifetime_days: days.default(7),
  /** How long after the click, or for the holdout after the decision, the target action makes a conversion. */
  conversion_days: days.default(7),
  /** At most `max_in_period` nudges a user in any `period_days`. */
  max_in_period: times.default(3),
  period_days: days.default(7),
  /** At most one nudge of a type in this time. */
  same_type_days: days.default(1),
  /** A type dismissed this often is not sent again. */
  max_dismissals: z.int().min(1).max(100).default(2),
  /** How long a journey is silent before it counts as stalled. */
  stalled_days: days.default(3),
  /** A mood that is low, from 1 to 10. */
  low_mood: z.number().min(1).max(10).default(3),
  /** An anxiety that is high, from 0 to 1. */
  high_anxiety: share.default(0.7),
  /** When nudges that nobody's action caused wait for the morning. Equal times: never. */
  quiet_hours: z.strictObject({
    from: clock.default("21:00"),
    until: clock.default("08:00"),
    time_zone: timeZone.default("Europe/Paris"),
  }).prefault({}),
  /** The share of a type's users who are not nudged, where its experiment does not say. */
  holdout: share.default(0.1),
  experiments: z.strictObject({
    letters_to_cv: experiment.optional(),
    cv_to_letters: experiment.optional(),
    letters_to_rise: experiment.optional(),
    ecosystem_to_rise: experiment.optional(),
    aube_to_cv: experiment.optional(),
    aube_to_letters: experiment.optional(),
    journey_stalled: experiment.optional(),
    // Nobody who feels low is left alone for the sake of a figure.
    wellbeing_support: experiment.extend({ holdout: share.default(0) }).prefault({}),
  }).prefault({}),
});

const transitions = z.strictObject({
  /** How long a transition waits to be accepted or rejected. */
  lifetime_days: days.default(7),
});

/** The knobs of the reactors; what is left out has its default. */
export const settings = z.strictObject({
  journey: journey.prefault({}),
  nudges: nudges.prefault({}),
  transitions: transitions.prefault({}),
});

export type Settings = z.output<typeof settings>;

export const defaultSettings: Settings = settings.parse({});

/** A change of the settings, as the database keeps it: what was said, and when, in milliseconds since 1970. */
export interface SettingsChange {
  changed_at: number;
  said: unknown;
}

/**
 * The settings in force at a time. A change counts for what happens after it, so that a replay folds each event by the
 * settings of its day; what happens in the very millisecond of a change may have been folded before it.
 *
 * @param changes oldest first, and perhaps many: each is read when it is asked for; one that the schema refuses counts as not made
 * @returns the settings in force just before a time; before `Infinity` are those of now
 */
export function settingsOver(changes: readonly SettingsChange[]): (at: number) => Settings {
  /** What is in force after so many changes. */
  const known = new Map([[0, defaultSettings]]);
  return (at) => {
    const count = countBefore(changes, at);
    let found: Settings | undefined;
    for (let last = count; !found; last--) {
      found = known.get(last) ?? settings.safeParse(changes[last - 1]!.said).data;
    }
    known.set(count, found);
    return found;
  };
}

/** How many changes were made before a time. */
function countBefore(changes: readonly SettingsChange[], at: number): number {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (changes[middle]!.changed_at < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is wrong with settings as they were said, for the operator; undefined where nothing is. */
export function flawOf(said: unknown): string | undefined {
  const read = settings.safeParse(said);
  if (read.success) return undefined;
  return read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
}

/** Days as milliseconds. */
export function inMs(days: number): number {
  return Math.round(days * day);
}
