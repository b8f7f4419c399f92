import { asKnown, type KnownEvent } from "../events/known-event.ts";
import { type Reactor, type State, stateOf } from "../reactor.ts";
import type { Settings } from "../settings.ts";

/** How a user felt in their last entries, the oldest first. */
export interface Wellbeing {
  readonly moods: readonly { readonly at: number; readonly mood: number }[];
}

/** How many entries the rule looks at. */
const kept = 3;

/** Remembers how the user felt lately, and nothing else of what they entrusted to their journal. */
export const wellbeing: Reactor<Wellbeing> = {
  name: "wellbeing",
  version: 2,
  initial: { moods: [] },
  react(state, event) {
    const mood = moodOf(asKnown(event));
    if (mood === undefined) return { state };
    const moods = [...state.moods, { at: event.timestamp, mood }].sort((a, b) => a.at - b.at);
    return { state: { moods: moods.slice(-kept) } };
  },
};

/** How the user felt, from what the reactors remember. */
export function readWellbeing(states: State): Wellbeing {
  return stateOf(wellbeing, states);
}

/**
 * Whether the user has felt low, since a time, in two of their last three entries.
 *
 * @param since milliseconds since 1970
 */
export function feelsLow(
  { moods }: Wellbeing,
  since: number,
  { low_mood }: Settings["nudges"],
): boolean {
  return moods.filter(({ at, mood }) => at >= since && mood <= low_mood).length >= 2;
}

/** How anxious the user says they are in this event, from 0 to 1. */
export function anxietyIn(event: KnownEvent): number | undefined {
  switch (event.event_type) {
    case "mood.logged":
    case "tests_psychométriques_complétés":
      return event.payload.anxiety_level ?? undefined;
    default:
      return undefined;
  }
}

/** The mood that the user says they are in, from 1 to 10. */
export function moodOf(event: KnownEvent): number | undefined {
  switch (event.event_type) {
    case "mood.logged":
    case "journal.entry_created":
      return event.payload.mood_score ?? undefined;
    default:
      return undefined;
  }
}
