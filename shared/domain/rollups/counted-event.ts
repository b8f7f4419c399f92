import { firstSaid } from "../first-said.ts";

/** What counting needs of an event. What happened counts, whatever became of it: its payload may be anything. */
export interface CountedEvent {
  readonly event_type: string;
  readonly app_source: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** When it happened, microseconds since 1970, by {@link countedTime}. */
  readonly at: number;
}

/** An event counts as of 1900 where it is said to have happened before: so every time is a safe integer. */
export function countedTime(micros: number): number {
  return Math.max(micros, -2_208_988_800_000_000);
}

/** The app as which the flywheel publishes: what it tells is not a user's use of an app. */
export const flywheelApp = "flywheel";

/** The name under which a user's apps and types count beyond the first many, since publishers choose as many as they like. */
export const theRest = "other";

const dayMicros = 86_400_000_000;

/** The UTC day of a time in microseconds since 1970, in days since 1970. */
export function dayOf(at: number): number {
  return Math.floor(at / dayMicros);
}

/** The Monday of a day's week, both in days since 1970. */
export function weekOf(day: number): number {
  // That year began on a Thursday.
  return day - (((day + 3) % 7) + 7) % 7;
}

/** Whether a value of a payload says something: a field left blank is as one left out. */
export function says(value: unknown): boolean {
  return value != null && (typeof value !== "string" || firstSaid(value) !== undefined);
}

/** A payload's text where it is one of 1 to `max` characters. */
export function textIn(value: unknown, max: number): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  return [...value].length <= max ? value : undefined;
}

/** A payload's number in whole hundredths where it is one within bounds. */
export function hundredthsIn(value: unknown, min: number, max: number): number | undefined {
  if (typeof value !== "number" || value < min || value > max) return undefined;
  return Math.floor(value * 100 + 0.5);
}
