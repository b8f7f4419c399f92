import { asKnown, type KnownEvent } from "../events/known-event.ts";
import { type Reactor, type State, stateOf } from "../reactor.ts";

/** The steps of an exploration with Aube, in the order that Aube proposes. */
export const journeySteps = [
  "exploration_commencée",
  "valeurs_explorées",
  "compétences_révélées",
  "tests_psychométriques_complétés",
  "recommandations_générées",
  "validation_ia_effectuée",
  "métier_choisi",
  "transition_écosystème",
] as const;

export type JourneyStep = (typeof journeySteps)[number];

/** A step that the user has completed. */
export interface CompletedStep {
  /** When it was first completed, milliseconds since 1970. */
  readonly at: number;
  /** The minutes that the app itself counted, over all repetitions; null for a step that took none of the user's time. */
  readonly minutes?: number | null;
}

/** One exploration, however its steps arrive: late, out of order, repeated or not at all. */
export interface Journey {
  /** What Aube calls it. */
  readonly parcours_id?: string;
  readonly steps: Readonly<Partial<Record<JourneyStep, CompletedStep>>>;
  /** When the last of its events was received, milliseconds since 1970. */
  readonly heard_at?: number;
}

type StepEvent = Extract<KnownEvent, { event_type: JourneyStep }>;

/**
 * Follows the user's exploration with Aube. A new one begins with an `exploration_commencée` after a job was chosen, or
 * with any step under a new `parcours_id`; then the one before is forgotten.
 */
export const journey: Reactor<Journey> = {
  name: "journey",
  version: 1,
  initial: { steps: {} },
  react(state, event) {
    const known = asKnown(event);
    return { state: isStep(known) && completes(known) ? fold(state, known) : state };
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

export function hasChosen({ steps }: Journey): boolean {
  return steps.métier_choisi !== undefined || steps.transition_écosystème !== undefined;
}

const steps: ReadonlySet<string> = new Set(journeySteps);

function isStep(event: KnownEvent): event is StepEvent {
  return steps.has(event.event_type);
}

/** A transition is a step once it has been taken; asking for one, or its failure, is not. */
function completes(event: StepEvent): boolean {
  if (event.event_type !== "transition_écosystème") return true;
  const { status } = event.payload;
  return !status || status === "accepted" || status === "completed";
}

function fold(journey: Journey, event: StepEvent): Journey {
  const id = event.payload.parcours_id;
  const parcours_id = id == null ? undefined : String(id);
  const isOther = parcours_id !== undefined && journey.parcours_id !== undefined &&
    parcours_id !== journey.parcours_id;
  const isLater = event.timestamp > latest(journey);
  // What comes late from an exploration before this one is history.
  if (isOther && !isLater) return journey;
  const isNew = isOther ||
    (event.event_type === "exploration_commencée" && hasChosen(journey) && isLater);

  const { steps, ...rest } = isNew ? { steps: {} } : journey;
  return {
    ...rest,
    ...(parcours_id !== undefined && { parcours_id }),
    steps: { ...steps, [event.event_type]: completed(steps[event.event_type], event) },
    heard_at: event.received_at,
  };
}

function completed(before: CompletedStep | undefined, event: StepEvent): CompletedStep {
  // What the flywheel tells took none of the user's time.
  const said = event.app_source === "flywheel" ? null : event.payload.durée_minutes ?? undefined;
  const minutes = before ? sum(before.minutes, said) : said;
  return {
    at: Math.min(before?.at ?? Infinity, event.timestamp),
    ...(minutes !== undefined && { minutes }),
  };
}

/** Counted minutes add up; without any, unknown minutes outweigh none. */
function sum(a: CompletedStep["minutes"], b: CompletedStep["minutes"]): CompletedStep["minutes"] {
  if (a == null && b == null) return a === undefined ? a : b;
  return (a ?? 0) + (b ?? 0);
}

function latest({ steps }: Journey): number {
  return Math.max(-Infinity, ...Object.values(steps).map(({ at }) => at));
}
