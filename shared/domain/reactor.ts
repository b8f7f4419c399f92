import type { Effect } from "./effect.ts";
import type { Recognised } from "./events/known-event.ts";
import type { Settings } from "./settings.ts";

/** What a reactor is told: an event whose payload was checked, or one of a free type. */
export type ReactorEvent = Exclude<Recognised, { kind: "refused" }>["event"];

/** What each reactor remembers of a user, by reactor name. */
export type State = Readonly<Record<string, unknown>>;

/** What a reactor may know besides its own state and what happened. */
export interface Context {
  readonly user_id: string;
  /** The settings in force at that moment. */
  readonly settings: Settings;
  /** What the reactors remember; those listed before this one have folded what happened. Read it with {@link stateOf}. */
  readonly states: State;
  /** The id that an effect of this reaction gets, the same in every replay. */
  idOf(effect: Effect): string;
}

/** What follows from an event or a timer. */
export interface Reaction<State> {
  state: State;
  effects?: readonly Effect[];
}

/**
 * A pure function that folds an event into state and says which effects follow. It never queries history, reads no
 * clock, and never changes the state that it is given: the same events give the same state and effects in every replay.
 *
 * State is JSON. It stays small however long the history grows: a reactor keeps what its rules need, not what happened.
 */
export interface Reactor<State = unknown> {
  /** The key of its state; never reused for another meaning. */
  readonly name: string;
  /** Raised with each change of its state's shape or of its rules: every user is then folded anew from the first event. */
  readonly version: number;
  readonly initial: State;
  /** Folds an event. "Now" is `event.received_at`, and `event.timestamp` is never later. */
  react(state: State, event: ReactorEvent, context: Context): Reaction<State>;
  /** When it wants to be woken, milliseconds since 1970; undefined for never. */
  wakeAt?(state: State): number | undefined;
  /** Its timer came due at `now`. Afterwards `wakeAt` must lie beyond `now`. */
  wake?(state: State, now: number, context: Context): Reaction<State>;
}

/** What a reactor remembers. */
export function stateOf<Own>(reactor: Pick<Reactor<Own>, "name" | "initial">, states: State): Own {
  return (states[reactor.name] ?? reactor.initial) as Own;
}
