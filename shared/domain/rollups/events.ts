import { type CountedEvent, dayOf, flywheelApp } from "./counted-event.ts";
import type { Add } from "./increments.ts";

export interface EventsMemory {
  /** When the latest event happened, microseconds since 1970. */
  readonly last?: number;
  /** The apps and types of that day's events, the first {@link mostSeen}. */
  readonly seen?: readonly string[];
  /** When the latest event happened that is not the flywheel's own. */
  readonly lastDone?: number;
}

/** How many apps and types of a day a user counts for as one of its users. */
const mostSeen = 200;

/**
 * Events by day, app and type: how many, of how many users, and the time since what each user did before.
 *
 * Right only for events that come in the order in which they happened: {@link isInOrder}.
 */
export function countEvent(
  { last, seen = [], lastDone }: EventsMemory,
  { app_source, event_type, at }: CountedEvent,
  add: Add,
): EventsMemory {
  const day = dayOf(at);
  const lastDay = last === undefined ? -Infinity : dayOf(last);
  const name = nameOf(app_source, event_type);
  const isFirstOfDay = day > lastDay || (seen.length < mostSeen && !seen.includes(name));
  const isDone = app_source !== flywheelApp;

  const key = event_type;
  const users = isFirstOfDay ? 1 : 0;
  const total = isDone && lastDone !== undefined ? at - lastDone : 0;
  add({ figure: "event", day, app_source, key }, { count: 1, users, total });
  if (isDone && lastDone === undefined) {
    add({ figure: "first_event", day, app_source, key }, { count: 1 });
  }

  const done = isDone ? Math.max(lastDone ?? -Infinity, at) : lastDone;
  const memory = done === undefined ? {} : { lastDone: done };
  if (last === undefined || day > lastDay) return { ...memory, last: at, seen: [name] };
  if (day < lastDay) return { ...memory, last, seen };
  return { ...memory, last: Math.max(last, at), seen: isFirstOfDay ? [...seen, name] : seen };
}

/** Names by app and type: one text for each is compared faster than a new one each time. Bounded, because publishers choose them. */
const names = new Map<string, Map<string, string>>();
const mostNames = 10_000;
let keptNames = 0;

function nameOf(app_source: string, event_type: string): string {
  const ofApp = names.get(app_source) ?? new Map<string, string>();
  const known = ofApp.get(event_type);
  if (known !== undefined) return known;
  const name = `${app_source} ${event_type}`;
  if (keptNames < mostNames) {
    names.set(app_source, ofApp.set(event_type, name));
    keptNames++;
  }
  return name;
}

/** Whether an event happened no earlier than the latest of those that were counted. */
export function isInOrder(last: number | undefined, at: number): boolean {
  return last === undefined || at >= last;
}
