import { type Activity, rememberActivity } from "./activity.ts";
import type { CountedEvent } from "./counted-event.ts";
import { countEvent, type EventsMemory, isInOrder } from "./events.ts";
import { countExploration, type ExplorationMemory } from "./explorations.ts";
import type { Add, Figure } from "./increments.ts";
import { countOpinion } from "./opinions.ts";
import { countPresence, type Presence } from "./presence.ts";
import { countRevenue, type Paid } from "./revenue.ts";
import { countTransition, type TransitionsMemory } from "./transitions.ts";

/** What counting remembers of a user: small however long the history is, and the same in whatever order the events came. */
export interface CountMemory {
  readonly events: EventsMemory;
  readonly presence: Presence;
  readonly exploration?: ExplorationMemory;
  readonly transitions?: TransitionsMemory;
  readonly paid?: Paid;
  readonly activity?: Activity;
}

/** The key of that memory in a user's state, and the version of its shape, as a reactor has them. */
export const counting = { name: "rollups", version: 1 } as const;

/** The figures that can be counted event by event only in the order in which they happened. */
const inOrderOnly: ReadonlySet<Figure> = new Set(["event", "first_event", "retention"]);

export interface Counted {
  memory: CountMemory;
  /** Whether an event happened before one that came earlier: then the database counts those figures, from the log. */
  isLate: boolean;
  /** Where it has changed since it was last counted. */
  activity: Activity | undefined;
}

/**
 * Counts a user's next events.
 *
 * @param events in the order of their versions; of these only the new ones are added, the others are remembered anew
 * @returns never throws, whatever the payloads hold
 */
export function count(
  memory: CountMemory | undefined,
  events: readonly (CountedEvent & { is_new: boolean })[],
  add: Add,
): Counted {
  let state: CountMemory = memory ?? { events: {}, presence: [] };
  const isLate = hasLate(state.events, events);
  const addWithoutOrder: Add = (cell, amounts) => {
    if (!inOrderOnly.has(cell.figure)) add(cell, amounts);
  };
  let written = state.activity;
  for (const event of events) {
    state = countOne(state, event, !event.is_new ? ignore : isLate ? addWithoutOrder : add);
    if (!event.is_new) written = state.activity;
  }
  const { activity } = state;
  return { memory: state, isLate, activity: activity === written ? undefined : activity };
}

const ignore: Add = () => {};

function hasLate(
  { last }: EventsMemory,
  events: readonly (CountedEvent & { is_new: boolean })[],
): boolean {
  let latest = last;
  for (const { at, is_new } of events) {
    if (is_new && !isInOrder(latest === undefined ? {} : { last: latest }, at)) return true;
    latest = Math.max(latest ?? -Infinity, at);
  }
  return false;
}

function countOne(memory: CountMemory, event: CountedEvent, add: Add): CountMemory {
  const events = countEvent(memory.events, event, add);
  const presence = countPresence(memory.presence, event, add);
  const exploration = countExploration(memory.exploration ?? {}, event, add);
  const transitions = countTransition(memory.transitions ?? {}, event, presence, add);
  const paid = countRevenue(memory.paid ?? [], event, memory.presence, presence, add);
  const activity = rememberActivity(memory.activity ?? none, event);
  countOpinion(event, add);
  return {
    events,
    presence,
    ...(exploration.reached && { exploration }),
    ...(Object.keys(transitions).length > 0 && { transitions }),
    ...(paid.length > 0 && { paid }),
    ...(activity !== none && { activity }),
  };
}

const none: Activity = {};
