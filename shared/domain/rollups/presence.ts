import { type CountedEvent, dayOf, flywheelApp, theRest, weekOf } from "./counted-event.ts";
import type { Add, Cell } from "./increments.ts";

/** The first and the last day that a user used an app. */
export type Span = readonly [first: number, last: number];

/** By app. A list, since an app may be called anything, `constructor` too. */
export type Presence = readonly (readonly [app: string, ...Span])[];

/** How many apps of one user are counted by their names; publishers choose those, and a memory is small. */
const mostApps = 100;

/** The app that an event counts as: beyond the first {@link mostApps} that its user used, and the flywheel, all others are one. */
export function countedApp(presence: Presence, app: string): string {
  return presence.length < mostApps || app === flywheelApp || spanIn(presence, app) ? app : theRest;
}

/**
 * Users by the day of their last event, and the weeks in which they come back.
 *
 * A period that is asked for ends today, so a user was there in it exactly if their last day lies in it: users by their last day are
 * the users of every period, without a list of them.
 *
 * Weeks are right only for events that come in the order in which they happened.
 */
export function countPresence(before: Presence, event: CountedEvent, add: Add): Presence {
  const { app_source } = event;
  const day = dayOf(event.at);
  const known = spanIn(before, app_source);
  if (known && day >= known[0] && day <= known[1]) return before;
  if (app_source !== flywheelApp) {
    countWeek(app_source, known, day, add);
    countWeek("", spanOf(before, flywheelApp), day, add);
  }

  const [first, last] = extend(known, day);
  const after = [
    ...before.filter(([app]) => app !== app_source),
    [app_source, first, last] as const,
  ];
  moveUser(add, { figure: "last_event", app_source }, known?.[1], last);
  moveUser(add, { figure: "last_event" }, spanOf(before)?.[1], spanOf(after)?.[1]);
  return after;
}

/** A week in which a user is there for the first time, by how many weeks it comes after that of their first event. */
function countWeek(app_source: string, known: Span | undefined, day: number, add: Add): void {
  const week = weekOf(day);
  if (known && week <= weekOf(known[1])) return;
  const cohort = weekOf(known ? known[0] : day);
  const key = String((week - cohort) / 7);
  add({ figure: "retention", day: cohort, app_source, key }, { count: 1 });
}

/** Counts a user on another day than before. */
export function moveUser(
  add: Add,
  cell: Omit<Cell, "day">,
  from: number | undefined,
  to: number | undefined,
): void {
  if (from === to) return;
  if (from !== undefined) add({ ...cell, day: from }, { count: -1 });
  if (to !== undefined) add({ ...cell, day: to }, { count: 1 });
}

/** The last day that an app was used. */
export function lastDayIn(presence: Presence, app: string): number | undefined {
  return spanIn(presence, app)?.[1];
}

/** The first and the last day in an app. Looked up for every event, so without a call or an iterator for each app. */
function spanIn(presence: Presence, app: string): Span | undefined {
  for (let index = 0; index < presence.length; index++) {
    const each = presence[index]!;
    if (each[0] === app) return [each[1], each[2]];
  }
  return undefined;
}

/** The first and the last day in any app, or in any but one. */
function spanOf(presence: Presence, without?: string): Span | undefined {
  let first = Infinity;
  let last = -Infinity;
  for (let index = 0; index < presence.length; index++) {
    const each = presence[index]!;
    if (each[0] === without) continue;
    first = Math.min(first, each[1]);
    last = Math.max(last, each[2]);
  }
  return first <= last ? [first, last] : undefined;
}

function extend(span: Span | undefined, day: number): Span {
  return span ? [Math.min(span[0], day), Math.max(span[1], day)] : [day, day];
}
