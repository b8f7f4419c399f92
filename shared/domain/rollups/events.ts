import { type CountedEvent, dayOf, flywheelApp, theRest } from "./counted-event.ts";
import type { Add } from "./increments.ts";

export interface EventsMemory {
  /** When the latest event happened, microseconds since 1970, but for what the flywheel tells. */
  readonly last?: number;
  /** The apps and types of that day's events, the first {@link mostSeen}. */
  readonly seen?: readonly string[];
  /** The latest day of which the flywheel told something, in days since 1970, and the types of that. */
  readonly told?: { readonly day: number; readonly types: readonly string[] };
}

/** How many apps and types of a user's day are counted by their names; publishers choose those, and everybody reads the figures. */
const mostSeen = 200;

/**
 * Events by day, app and type: how many, of how many users, and the time since what each user did before.
 *
 * Right only for events that come in the order in which they happened: {@link areInOrder}.
 */
export function countEvent(memory: EventsMemory, event: CountedEvent, add: Add): EventsMemory {
  return event.app_source === flywheelApp
    ? countTold(memory, event, add)
    : countDone(memory, event, add);
}

function countDone(
  { last, seen = [], told }: EventsMemory,
  { app_source, event_type, at }: CountedEvent,
  add: Add,
): EventsMemory {
  const day = dayOf(at);
  const lastDay = last === undefined ? -Infinity : dayOf(last);
  const seenThatDay = day > lastDay ? [] : seen;
  const name = nameOf(app_source, event_type);
  const isKnown = seenThatDay.includes(name);
  const isFirstOfDay = !isKnown && seenThatDay.length < mostSeen;

  const key = isKnown || isFirstOfDay ? event_type : theRest;
  const users = isFirstOfDay ? 1 : 0;
  const total = last === undefined ? 0 : at - last;
  add({ figure: "event", day, app_source, key }, { count: 1, users, total });
  if (last === undefined) add({ figure: "first_event", day, app_source, key }, { count: 1 });

  return {
    ...(told && { told }),
    last: Math.max(last ?? at, at),
    seen: isFirstOfDay && day >= lastDay ? [...seenThatDay, name] : seenThatDay,
  };
}

/** What the flywheel tells is no use of an app: it is counted by days alone. */
function countTold(
  memory: EventsMemory,
  { app_source, event_type, at }: CountedEvent,
  add: Add,
): EventsMemory {
  const day = dayOf(at);
  const { told } = memory;
  const isNewDay = !told || day > told.day;
  const types = isNewDay ? [] : told.types;
  const isFirstOfDay = !types.includes(event_type);
  const users = isFirstOfDay ? 1 : 0;
  add({ figure: "event", day, app_source, key: event_type }, { count: 1, users });
  return isFirstOfDay && (isNewDay || day === told.day)
    ? { ...memory, told: { day, types: [...types, event_type] } }
    : memory;
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

/** Whether new events happened no earlier than those that were counted before them; of what the flywheel tells, on no earlier day. */
export function areInOrder(
  { last = -Infinity, told }: EventsMemory,
  events: readonly (CountedEvent & { is_new: boolean })[],
): boolean {
  let lastDay = told?.day ?? -Infinity;
  for (const { app_source, at, is_new } of events) {
    if (app_source === flywheelApp) {
      const day = dayOf(at);
      if (is_new && day < lastDay) return false;
      lastDay = Math.max(lastDay, day);
    } else {
      if (is_new && at < last) return false;
      last = Math.max(last, at);
    }
  }
  return true;
}
