import { type Effect, effect as effectSchema } from "./effect.ts";
import type { StoredEvent } from "./events/envelope.ts";
import { recognise } from "./events/known-event.ts";
import { jsonFlaw } from "./json-flaw.ts";
import { type Context, type Reaction, type Reactor, type State, stateOf } from "./reactor.ts";
import type { Settings } from "./settings.ts";

export type { State };

/** What made an effect: an event, or a timer, which has no event. */
export interface Cause {
  event_id: string | undefined;
  correlation_id: string | null;
  /** The moment in the user's story, milliseconds since 1970: the event's receipt or the timer's time. */
  at: number;
}

export interface CausedEffect {
  effect: Effect;
  cause: Cause;
}

/** One user's backlog, and how far to go with it. */
export interface Backlog {
  user_id: string;
  state: State;
  /** The settings in force at a time, milliseconds since 1970. */
  settingsAt: (time: number) => Settings;
  /** The id of an effect by its cause: the same in every replay. */
  idOf: (cause: Cause, effect: Effect) => string;
  /** The next events in order, without a gap. */
  events: readonly StoredEvent[];
  /** Until when timers have come due; undefined where more events wait behind these. */
  now: number | undefined;
  /**
   * Which attempt this is at the next event or timer. After the last one a failing event is set aside, and the reactors that do
   * not fail keep what they made of it; beyond the last one, since no worker survived it, it is not even looked at.
   */
  attempt: "early" | "last" | "beyond";
  /**
   * Whether to check that what each reactor returns can be written; one that returns what cannot be fails as if it had
   * thrown. That costs more than folding does: it is for a backlog whose outcome was refused.
   */
  careful?: boolean;
}

/** An event set aside; an undefined error heals one that was set aside before. */
export interface SetAside {
  version: number;
  error: string | undefined;
}

export interface Folded {
  state: State;
  /** The last version folded; undefined where nothing was. */
  version: number | undefined;
  wakeAt: number | undefined;
  effects: CausedEffect[];
  setAside: SetAside[];
  /** Why timers were set aside after their last attempt. */
  timersSetAside: string[];
  /** Why folding stopped before the last event: it is to be tried again. */
  failure: string | undefined;
}

/**
 * Folds one user's new events through every reactor, in order, with each timer between the events where it came due.
 *
 * An event counts whole or not at all: where a reactor fails, folding stops before that event, and after its last
 * attempt the event is set aside with an error and the user goes on.
 */
export function fold(reactors: readonly Reactor[], backlog: Backlog): Folded {
  const run = new Run(reactors, backlog);
  try {
    for (const event of backlog.events) {
      run.fireTimers(event.received_at);
      run.foldEvent(event);
      if (run.isOver) break;
    }
    if (backlog.now !== undefined) run.fireTimers(backlog.now);
  } catch (error) {
    run.failure = messageOf(error);
  }
  return {
    state: run.state,
    version: run.version,
    wakeAt: run.earliestTimer()?.at,
    effects: run.effects,
    setAside: run.setAside,
    timersSetAside: run.timersSetAside,
    failure: run.failure,
  };
}

/** One call of {@link fold} under way. */
class Run {
  version: number | undefined;
  failure: string | undefined;
  readonly effects: CausedEffect[] = [];
  readonly setAside: SetAside[] = [];
  readonly timersSetAside: string[] = [];
  state: State;
  #steps = 0;
  /** When each reactor that has timers wants to be woken, and by which of its states it said so. */
  readonly #timers: { readonly reactor: Reactor; of: unknown; at: number | undefined }[];
  /** Reactors that could not say so for the state that they came with. */
  readonly #lost = new Set<Reactor>();

  constructor(
    private readonly reactors: readonly Reactor[],
    private readonly backlog: Backlog,
  ) {
    this.state = backlog.state;
    this.#timers = reactors
      .filter(({ wakeAt }) => wakeAt)
      .map((reactor) => ({ reactor, of: undefined, at: undefined }));
  }

  /** From the last attempt on there is one event or timer at a time: what fails then is alone, and nobody else suffers for it. */
  get isOver(): boolean {
    return this.backlog.attempt !== "early" && this.#steps > 0;
  }

  /** @throws where the event is to be tried again; nothing of it has been kept then */
  foldEvent(event: StoredEvent): void {
    if (this.isOver) return;
    this.#steps++;
    const { attempt } = this.backlog;
    if (attempt === "beyond") return this.#aside(event, "no worker survived folding it");

    const recognised = recognise(event);
    if (recognised.kind === "refused") {
      const why = recognised.issues.map(({ field, message }) => `${field} ${message}`).join("; ");
      return this.#aside(event, `refused: ${why}`);
    }

    const cause = {
      event_id: event.event_id,
      correlation_id: event.correlation_id,
      at: event.received_at,
    };
    const context = this.#contextOf(cause);
    const effects: Effect[] = [];
    let failures: string[] | undefined;
    for (const reactor of this.reactors) {
      const before = stateOf(reactor, context.states);
      try {
        const reaction = this.#checked(
          reactor,
          before,
          reactor.react(before, recognised.event, context),
        );
        if (reaction.state !== before) context.remember(reactor, reaction.state);
        if (reaction.effects) effects.push(...reaction.effects);
      } catch (error) {
        (failures ??= []).push(`${reactor.name}: ${messageOf(error)}`);
      }
    }
    const error = failures?.join("; ");
    if (error !== undefined && attempt === "early" && !event.set_aside) throw new Error(error);

    this.state = context.states;
    this.version = event.version;
    this.#cause(effects, cause);
    if (error !== undefined || event.set_aside) {
      this.setAside.push({ version: event.version, error });
    }
  }

  /** Fires what comes due until `now`, the earliest first; @throws where a timer is to be tried again */
  fireTimers(now: number): void {
    const { attempt } = this.backlog;
    while (!this.isOver) {
      const due = this.earliestTimer();
      if (!due || due.at > now) return;
      this.#steps++;
      const { reactor, at } = due;
      try {
        if (attempt === "beyond") throw new Error("no worker survived its timer");
        const cause = { event_id: undefined, correlation_id: null, at };
        const context = this.#contextOf(cause);
        const before = stateOf(reactor, context.states);
        const { state, effects = [] } = this.#checked(
          reactor,
          before,
          reactor.wake!(before, at, context),
        );
        if ((timerOf(reactor, state) ?? Infinity) <= at) {
          throw new Error("its timer does not move on");
        }
        context.remember(reactor, state);
        this.state = context.states;
        this.#cause(effects, cause);
      } catch (error) {
        const message = `${reactor.name}: ${messageOf(error)}`;
        if (attempt === "early") throw new Error(message);
        this.#setTimerAside(reactor, at);
        this.timersSetAside.push(message);
      }
    }
  }

  earliestTimer(): { reactor: Reactor; at: number } | undefined {
    let first: { reactor: Reactor; at: number } | undefined;
    const aside = timersAside(this.state);
    for (const timer of this.#timers) {
      const { reactor } = timer;
      const state = stateOf(reactor, this.state);
      if (timer.of !== state) {
        timer.of = state;
        timer.at = this.#timerOrNone(reactor, state);
      }
      const { at } = timer;
      if (at === undefined || at === aside[reactor.name]) continue;
      if (!first || at < first.at) first = { reactor, at };
    }
    return first;
  }

  /** When a reactor wants to be woken, by its state. One that says nonsense is not woken, and fails at the next event. */
  #timerOrNone(reactor: Reactor, state: unknown): number | undefined {
    try {
      const at = timerOf(reactor, state);
      this.#lost.delete(reactor);
      return at;
    } catch {
      this.#lost.add(reactor);
      return undefined;
    }
  }

  /** A timer that failed for good is remembered, so that it does not hold up every event from now on. */
  #setTimerAside(reactor: Reactor, at: number): void {
    this.state = {
      ...this.state,
      [timersAsideKey]: { ...timersAside(this.state), [reactor.name]: at },
    };
  }

  /** A reaction that the commit can write; @throws where a reactor returned nonsense */
  #checked(reactor: Reactor, before: unknown, reaction: Reaction<unknown>): Reaction<unknown> {
    if (typeof reaction !== "object" || reaction === null) throw new Error("returned no reaction");
    const { state, effects } = reaction;
    if (typeof state !== "object" || state === null) throw new Error("returned no state");
    if (state !== before || this.#lost.has(reactor)) timerOf(reactor, state);
    effects?.forEach((each) => effectSchema.parse(each));
    const flaw = this.backlog.careful ? jsonFlaw({ state, effects: effects ?? [] }) : undefined;
    if (flaw !== undefined) throw new Error(`returned what cannot be written: ${flaw}`);
    return reaction;
  }

  #aside(event: StoredEvent, error: string): void {
    this.version = event.version;
    this.setAside.push({ version: event.version, error });
  }

  #cause(effects: readonly Effect[], cause: Cause): void {
    this.effects.push(...effects.map((effect) => ({ effect, cause })));
  }

  #contextOf(cause: Cause): FoldContext {
    return new FoldContext(this.backlog, cause, this.state);
  }
}

/** What the reactors are told of one event or timer, and what they remember of it, which becomes the fold's only if all goes well. */
class FoldContext implements Context {
  readonly user_id: string;
  readonly settings: Settings;
  #states: Record<string, unknown>;
  #isOwn = false;

  constructor(
    private readonly backlog: Backlog,
    private readonly cause: Cause,
    before: State,
  ) {
    this.user_id = backlog.user_id;
    this.settings = backlog.settingsAt(cause.at);
    this.#states = before;
  }

  get states(): State {
    return this.#states;
  }

  /** Most events change what one or two reactors remember: the state is copied when the first of them has something new. */
  remember({ name }: Reactor, state: unknown): void {
    if (!this.#isOwn) this.#states = { ...this.#states };
    this.#isOwn = true;
    this.#states[name] = state;
  }

  idOf(effect: Effect): string {
    return this.backlog.idOf(this.cause, effect);
  }
}

/** When a reactor wants to be woken; @throws where it says nonsense */
function timerOf(reactor: Reactor, state: unknown): number | undefined {
  const at = reactor.wakeAt?.(state);
  if (at === undefined) return undefined;
  if (typeof at === "number" && Math.abs(at) <= latestTime) return at;
  throw new Error("wants to be woken at no time");
}

/** The last moment that a Date can hold, milliseconds since 1970. */
const latestTime = 8.64e15;

/** Where the state keeps, by reactor, the time of a timer that was set aside. No reactor has such a name. */
const timersAsideKey = "timers set aside";

function timersAside(state: State): Readonly<Record<string, number>> {
  return (state[timersAsideKey] ?? {}) as Record<string, number>;
}

/** What a reactor threw, short and fit to be written. */
function messageOf(error: unknown): string {
  let message: string;
  try {
    message = error instanceof Error ? error.message : String(error);
  } catch {
    message = "threw what has no text";
  }
  return message.slice(0, 500).toWellFormed().replaceAll("\0", "");
}

/** The versions of the reactors: a state folded by other versions has another shape. */
export function shapeOf(reactors: readonly Reactor[]): string {
  return reactors.map(({ name, version }) => `${name}@${version}`).join(" ");
}
