import { asKnown, type EventOf, type KnownEvent } from "../events/known-event.ts";
import { firstSaid } from "../first-said.ts";
import { type JourneyStep, journeySteps } from "../journey-steps.ts";
import { type Reactor, type State, stateOf } from "../reactor.ts";
import { readProfile } from "./profile.ts";

/** When a step was completed. */
interface Completion {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The minutes that the app itself counted; null for a step that took none of the user's time. */
  readonly minutes?: number | null;
}

/** A step that the user has completed: when it was first, and the minutes of all repetitions. */
export interface CompletedStep extends Completion {
  /** The last repetition, which belongs to a new exploration if that turns out to have begun before it. */
  readonly again?: Completion;
}

/** One exploration, however its steps arrive: late, out of order, repeated or not at all. */
export interface Journey {
  /** What Aube calls it. */
  readonly parcours_id?: string;
  readonly steps: Readonly<Partial<Record<JourneyStep, CompletedStep>>>;
  /** When it began, where that was after another one: what happened before is history. Milliseconds since 1970. */
  readonly since?: number;
  /**
   * When the first of its events that names its `parcours_id` happened, where the exploration before had another. Where that other one
   * is told of late: when the first of its own steps happened. Milliseconds since 1970.
   */
  readonly named_at?: number;
  /** When the last of its events was received, milliseconds since 1970. */
  readonly heard_at?: number;
  /** The transition that Aube asked for last, by the app that it leads to, in this exploration or before. */
  readonly asked?: Readonly<Record<string, string>>;
}

type StepEvent = Extract<KnownEvent, { event_type: JourneyStep }>;

/**
 * Follows the user's exploration with Aube. A new one begins with an `exploration_commencée` after a job was chosen, or
 * with any step under a new `parcours_id`; then the one before is forgotten.
 */
export const journey: Reactor<Journey> = {
  name: "journey",
  version: 8,
  initial: { steps: {} },
  react(state, event) {
    const known = asKnown(event);
    if (!isStep(known)) return { state };
    if (known.event_type !== "transition_écosystème") return { state: fold(state, known) };
    return { state: isTaken(known, state) ? fold(state, known) : hear(state, known) };
  },
};

/** The user's exploration, from what the reactors remember. */
export function readJourney(states: State): Journey {
  return stateOf(journey, states);
}

/** The furthest step that was reached, steps skipped or not; undefined before the first. */
export function furthestStep({ steps }: Journey): JourneyStep | undefined {
  return journeySteps.findLast((step) => steps[step]);
}

/**
 * The step that the user is at: the one after the furthest. Once a job is chosen the user has left Aube, and is at none.
 */
export function currentStep(journey: Journey): JourneyStep | undefined {
  const furthest = furthestStep(journey);
  if (furthest === undefined || hasChosen(journey)) return undefined;
  return journeySteps[journeySteps.indexOf(furthest) + 1];
}

/** Whether the user has left Aube with a job: chosen one, or moved on to another app. */
export function hasChosen(journey: Journey): boolean {
  return leftAt(journey) !== undefined;
}

/** When the job was chosen that the user goes for, milliseconds since 1970; undefined once they explore anew. */
export function chosenAt(states: State): number | undefined {
  return readJourney(states).steps.métier_choisi && readProfile(states).choix?.at;
}

/** When that job was chosen last: later than {@link chosenAt} where the user has chosen it again. */
export function lastChosenAt(states: State): number | undefined {
  return chosenAt(states) && (readProfile(states).choix?.again_at ?? chosenAt(states));
}

/** When the user left Aube with a job. */
function leftAt({ steps: { métier_choisi, transition_écosystème } }: Journey): number | undefined {
  if (!métier_choisi && !transition_écosystème) return undefined;
  return Math.min(métier_choisi?.at ?? Infinity, transition_écosystème?.at ?? Infinity);
}

const steps: ReadonlySet<string> = new Set(journeySteps);

function isStep(event: KnownEvent): event is StepEvent {
  return steps.has(event.event_type);
}

/**
 * A transition is a step once it has been taken, where it is the last one that Aube asked for, and for a job that was chosen in this
 * exploration; asking for one, or its failure, is not. An event that names neither an app nor a status asks for nothing, and says by
 * itself that the user moved on.
 */
function isTaken(
  { app_source, payload }: EventOf<"transition_écosystème">,
  { asked = {}, steps }: Journey,
): boolean {
  const { status, transition_id, target_app, app_cible } = payload;
  if (firstSaid(status) === undefined) return firstSaid(target_app, app_cible) === undefined;
  if (status !== "accepted" && status !== "completed") return false;
  return app_source === "aube" ||
    (app_source === "flywheel" && steps.métier_choisi !== undefined &&
      asked[String(target_app)] === transition_id);
}

/** The flywheel tells what Aube has asked for. */
function hear(
  journey: Journey,
  { app_source, payload }: EventOf<"transition_écosystème">,
): Journey {
  const { status, source_app, target_app, transition_id } = payload;
  if (app_source !== "flywheel" || status !== "requested" || source_app !== "aube") return journey;
  return { ...journey, asked: { ...journey.asked, [String(target_app)]: String(transition_id) } };
}

function fold(journey: Journey, event: StepEvent): Journey {
  const { parcours_id: id } = event.payload;
  const parcours_id = id == null ? undefined : String(id);
  const isOther = parcours_id !== undefined && journey.parcours_id !== undefined &&
    parcours_id !== journey.parcours_id;
  if (isOther && event.timestamp < latest(journey)) return hearOfOneBefore(journey);
  if (!isOther && isHistory(event, parcours_id, journey)) return journey;

  const { steps: before, ...exploration } = isOther
    ? { ...askedIn(journey), steps: {}, named_at: event.timestamp }
    : goneOn(journey, event, parcours_id);
  const steps = { ...before, [event.event_type]: completed(before[event.event_type], event) };
  const begun = begunAfterLeaving(steps);
  // Only now it turns out that the user had left with a job before they began again: what told of it is history, too.
  if (begun) {
    return {
      ...journey,
      steps: { ...stepsSince(begun.at, { steps }), exploration_commencée: begun },
      since: begun.at,
    };
  }
  return {
    ...exploration,
    ...(parcours_id !== undefined && { parcours_id }),
    steps,
    heard_at: event.received_at,
  };
}

/** A step of an exploration before this one came late. It may be the first that is heard of that one. */
function hearOfOneBefore(journey: Journey): Journey {
  return { ...journey, named_at: journey.named_at ?? earliest(journey) };
}

/** Whether a step that names no other exploration happened before this one began, as far as is known. */
function isHistory(
  { timestamp }: StepEvent,
  parcours_id: string | undefined,
  { since = -Infinity, named_at = -Infinity }: Journey,
): boolean {
  return timestamp < since || (parcours_id === undefined && timestamp < named_at);
}

/** The exploration with which a step that names no other one goes on: the one so far, or one that it begins itself. */
function goneOn(journey: Journey, event: StepEvent, parcours_id: string | undefined): Journey {
  const { timestamp } = event;
  const named_at = journey.named_at !== undefined && parcours_id !== undefined
    ? Math.min(journey.named_at, timestamp)
    : journey.named_at;
  const named = named_at === undefined ? {} : { named_at };
  const isAnew = event.event_type === "exploration_commencée" &&
    timestamp >= (leftAt(journey) ?? Infinity);
  return isAnew
    ? {
      ...askedIn(journey),
      ...named,
      steps: stepsSince(timestamp, journey),
      since: timestamp,
    }
    : { ...journey, ...named };
}

/** What an exploration keeps of those before it. */
function askedIn({ asked }: Journey): Pick<Journey, "asked"> {
  return asked === undefined ? {} : { asked };
}

/** The beginning that came after the user had left with a job, where the steps hold both. */
function begunAfterLeaving(steps: Journey["steps"]): Completion | undefined {
  const left = leftAt({ steps }) ?? Infinity;
  const { exploration_commencée: first } = steps;
  return [first, first?.again].find((begun) => begun && begun.at > left);
}

function completed(before: CompletedStep | undefined, event: StepEvent): CompletedStep {
  // What the flywheel tells took none of the user's time.
  const said = event.app_source === "flywheel" ? null : event.payload.durée_minutes ?? undefined;
  const now = completion(event.timestamp, said);
  if (!before) return now;
  const last = before.again ?? completion(before.at, before.minutes);
  return {
    ...completion(Math.min(before.at, now.at), sum(before.minutes, said)),
    again: now.at < last.at ? last : now,
  };
}

function completion(at: number, minutes: Completion["minutes"]): Completion {
  return { at, ...(minutes !== undefined && { minutes }) };
}

/** What was completed after a time, of an exploration whose beginning arrives late. */
function stepsSince(time: number, { steps }: Journey): Journey["steps"] {
  return Object.fromEntries(
    Object.entries(steps).flatMap(([step, first]) => {
      const since = first.at > time ? first : first.again;
      return since && since.at > time ? [[step, since]] : [];
    }),
  );
}

/** Counted minutes add up; without any, unknown minutes outweigh none. */
function sum(a: CompletedStep["minutes"], b: CompletedStep["minutes"]): CompletedStep["minutes"] {
  if (a == null && b == null) return a === undefined ? a : b;
  return (a ?? 0) + (b ?? 0);
}

function earliest({ steps }: Journey): number {
  return Math.min(...Object.values(steps).map(({ at }) => at));
}

function latest({ steps }: Journey): number {
  return Math.max(-Infinity, ...Object.values(steps).map(({ at, again }) => again?.at ?? at));
}
