import { type Activity, rememberActivity } from "./activity.ts";
import type { CountedEvent } from "./counted-event.ts";
import { areInOrder, countEvent, type EventsMemory } from "./events.ts";
import { countExploration, type ExplorationMemory } from "./explorations.ts";
import type { Add } from "./increments.ts";
import { countOpinion } from "./opinions.ts";
import { countedApp, countPresence, type Presence } from "./presence.ts";
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
export const counting = { name: "rollups", version: 7 } as const;

export interface Counted {
  memory: CountMemory;
  /** Whether an event happened before one that came earlier: then nothing is added, and the database counts the user, from the log. */
  isLate: boolean;
  /** Where it has changed since it was last counted, or may have. */
  activity: Activity | undefined;
}

/**
 * Counts a user's next events.
 *
 * @param events in the order of their versions; of these only the new ones are added, the others are remembered anew
 * @param isBehind whether events that are remembered are still to be counted from the log, because some were late
 * @returns never throws, whatever the payloads hold
 */
export function count(
  memory: CountMemory | undefined,
  events: readonly (CountedEvent & { is_new: boolean })[],
  add: Add,
  isBehind = false,
): Counted {
  const known: CountMemory = memory ?? { events: {}, presence: [] };
  const isLate = isBehind || !areInOrder(known.events, events);
  let {
    events: seen,
    presence,
    exploration = nothing,
    transitions = nothing,
    paid = none,
    activity = nothing,
  } = known;
  let written = activity;
  for (const sent of events) {
    const addOf = sent.is_new && !isLate ? add : ignore;
    const app_source = countedApp(presence, sent.app_source);
    const event = app_source === sent.app_source ? sent : { ...sent, app_source };
    const presenceBefore = presence;
    seen = countEvent(seen, event, addOf);
    presence = countPresence(presence, event, addOf);
    exploration = countExploration(exploration, event, addOf);
    transitions = countTransition(transitions, event, presence, addOf);
    paid = countRevenue(paid, event, presenceBefore, presence, addOf);
    activity = rememberActivity(activity, sent);
    countOpinion(event, addOf);
    if (!event.is_new) written = activity;
  }
  return {
    memory: {
      events: seen,
      presence,
      ...(exploration.reached && { exploration }),
      ...(Object.keys(transitions).length > 0 && { transitions }),
      ...(paid.length > 0 && { paid }),
      ...(activity !== nothing && { activity }),
    },
    isLate,
    activity: activity === nothing || (activity === written && !isLate) ? undefined : activity,
  };
}

const nothing: ExplorationMemory & TransitionsMemory & Activity = {};
const none: Paid = [];

const ignore: Add = () => {};
