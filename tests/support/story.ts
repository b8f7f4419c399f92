import type { EventEffect, NudgeEffect } from "../../shared/domain/effect.ts";
import type { StoredEvent } from "../../shared/domain/events/envelope.ts";
import { type CausedEffect, fold, type Folded, type State } from "../../shared/domain/fold.ts";
import type { NudgeType } from "../../shared/domain/nudge-types.ts";
import type { Reactor } from "../../shared/domain/reactor.ts";
import { reactors as everyReactor } from "../../shared/domain/reactors/all.ts";
import { type SettingsChange, settingsOver } from "../../shared/domain/settings.ts";
import { effectId } from "../../shared/flywheel/effect-id.ts";
import { uuidV5 } from "../../shared/flywheel/uuid.ts";

/** What happens in a story. */
export interface Happening {
  event_type: string;
  app_source: string;
  payload?: Record<string, unknown>;
  correlation_id?: string;
  /** When it happened, where that is not now: milliseconds since 1970. */
  timestamp?: number;
}

/** A nudge as it was decided on, with its id. */
export type StoryNudge = NudgeEffect & { nudge_id: string };

const namespace = "6f2b1c1e-0a55-4c5b-9d3f-4f0c5a0f7a10";

/**
 * One user's life with the apps, for tests as given / when / then: things happen, time passes, and what the fold makes of it
 * can be looked at. What the flywheel appends by itself comes back to it, as the store has it.
 */
export class Story {
  readonly user_id: string;
  /** Wednesday, ten in the morning in Paris. */
  now = Date.parse("2025-01-15T09:00:00Z");
  state: State = {};
  readonly effects: CausedEffect[] = [];
  /** The user's stream, with what the flywheel appended. */
  readonly events: StoredEvent[] = [];
  readonly #settings: SettingsChange[];
  readonly reactors: readonly Reactor[];
  #echoes: EventEffect[] = [];
  #isAtOnce = false;

  constructor(
    { user_id = namespace, settings = { nudges: { holdout: 0 } }, reactors = everyReactor }: {
      user_id?: string;
      settings?: unknown;
      reactors?: readonly Reactor[];
    } = {},
  ) {
    this.user_id = user_id;
    this.#settings = [{ changed_at: 0, said: settings }];
    this.reactors = reactors;
  }

  /** Something happens now. @returns the nudges that it brings */
  happens(event_type: string, app_source: string, more: Partial<Happening> = {}): StoryNudge[] {
    const before = this.effects.length;
    this.#append({ event_type, app_source, ...more });
    this.#hearEchoes();
    return this.#nudgesFrom(before);
  }

  /** Time goes by. @returns the nudges that timers bring meanwhile */
  passes(milliseconds: number): StoryNudge[] {
    const before = this.effects.length;
    this.now += milliseconds;
    this.#fold([]);
    this.#hearEchoes();
    return this.#nudgesFrom(before);
  }

  /** Things happen before the flywheel comes to tell what it makes of the first of them. */
  atOnce(happen: () => void): void {
    this.#isAtOnce = true;
    happen();
    this.#isAtOnce = false;
    this.#hearEchoes();
  }

  /** The user does something with a nudge. */
  does(step: "shown" | "clicked" | "dismissed", nudge: StoryNudge | undefined): void {
    if (!nudge) throw new Error(`there is no nudge that could be ${step}`);
    const { nudge_id, nudge_type, target_app, variant } = nudge;
    this.happens(`nudge.${step}`, "flywheel", {
      payload: { nudge_id, nudge_type, target_app, variant },
    });
  }

  /** An operator changes the settings. */
  setting(settings: unknown): void {
    this.#settings.push({ changed_at: this.now, said: settings });
  }

  get nudges(): StoryNudge[] {
    return this.#nudgesFrom(0);
  }

  nudge(type: NudgeType): StoryNudge | undefined {
    return this.nudges.findLast(({ nudge_type }) => nudge_type === type);
  }

  /** What became of nudges: `[ "cancelled letters_to_cv", … ]`. */
  get outcomes(): string[] {
    const types = new Map(this.nudges.map(({ nudge_id, nudge_type }) => [nudge_id, nudge_type]));
    return this.effects.flatMap(({ effect }) =>
      effect.kind === "nudge_change" ? [`${effect.change} ${types.get(effect.nudge_id)}`] : []
    );
  }

  /** What the flywheel appended by itself. */
  get appended(): (EventEffect & { event_id: string; caused_by: string | undefined })[] {
    return this.effects.flatMap(({ effect, cause }) =>
      effect.kind === "event"
        ? [{
          ...effect,
          event_id: effectId(this.user_id, cause, effect),
          caused_by: effect.causation_id ?? cause.event_id,
        }]
        : []
    );
  }

  /** The whole stream folded anew, in one piece. */
  replay(): Pick<Folded, "state" | "effects"> {
    const { state, effects } = this.#run({}, this.events);
    return { state, effects };
  }

  #append(happening: Happening): void {
    const version = this.events.length + 1;
    const event = {
      version,
      event_id: uuidV5(this.user_id, `event ${version}`),
      event_type: happening.event_type,
      app_source: happening.app_source,
      payload: happening.payload ?? {},
      correlation_id: happening.correlation_id ?? null,
      timestamp: happening.timestamp ?? this.now,
      received_at: this.now,
      set_aside: false,
    };
    this.events.push(event);
    this.#fold([event]);
  }

  #fold(events: readonly StoredEvent[]): void {
    const folded = this.#run(this.state, events);
    this.state = folded.state;
    this.effects.push(...folded.effects);
    this.#echoes.push(
      ...folded.effects.flatMap(({ effect }) => effect.kind === "event" ? [effect] : []),
    );
  }

  #run(state: State, events: readonly StoredEvent[]): Folded {
    const folded = fold(this.reactors, {
      user_id: this.user_id,
      state,
      settingsAt: settingsOver(this.#settings),
      idOf: (cause, effect) => effectId(this.user_id, cause, effect),
      events,
      now: this.now,
      attempt: "early",
    });
    if (folded.failure !== undefined) throw new Error(folded.failure);
    if (folded.setAside.length > 0) throw new Error(folded.setAside[0]!.error);
    // As it comes back from the database.
    return { ...folded, state: JSON.parse(JSON.stringify(folded.state)) };
  }

  #hearEchoes(): void {
    if (this.#isAtOnce) return;
    for (let rounds = 0; this.#echoes.length > 0; rounds++) {
      if (rounds > 10) throw new Error("the flywheel never stops talking to itself");
      const echoes = this.#echoes;
      this.#echoes = [];
      for (const { event_type, app_source, payload } of echoes) {
        // As the store does: what was seen before it was taken back is not cancelled.
        if (event_type === "nudge.cancelled" && this.#wasSeen(payload.nudge_id)) continue;
        this.#append({ event_type, app_source, payload });
      }
    }
  }

  #wasSeen(nudge_id: unknown): boolean {
    const steps = ["nudge.shown", "nudge.clicked", "nudge.dismissed"];
    return this.events.some(({ event_type, payload }) =>
      steps.includes(event_type) && payload.nudge_id === nudge_id
    );
  }

  #nudgesFrom(index: number): StoryNudge[] {
    return this.effects.slice(index).flatMap(({ effect, cause }) =>
      effect.kind === "nudge"
        ? [{ ...effect, nudge_id: effectId(this.user_id, cause, effect) }]
        : []
    );
  }
}

/** The types of nudges, for a glance. */
export function typesOf(nudges: readonly StoryNudge[]): NudgeType[] {
  return nudges.map(({ nudge_type }) => nudge_type);
}
