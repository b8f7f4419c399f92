import { slugOf } from "../apps.ts";
import { journeySteps } from "../journey-steps.ts";
import { type CountedEvent, dayOf, says, textIn, weekOf } from "./counted-event.ts";
import type { Add } from "./increments.ts";
import { moveUser } from "./presence.ts";

const begins = 0;
const completes = 6;

export interface ExplorationMemory {
  /** When each step was first reached, microseconds since 1970, in the order of {@link journeySteps}. */
  readonly reached?: readonly (number | null)[];
  /** When the user last began an exploration, and last chose a job. */
  readonly begun?: number;
  readonly chosen?: number;
  /** Whether choosing came after beginning: of two at one instant, by which was received first. */
  readonly isDone?: boolean;
  /** The job that they chose last, as they wrote it. */
  readonly job?: string;
}

/** A job's name in characters, beyond which it is no job's name. */
const longestJob = 100;

/** Users in Aube: who explores, who chooses a job and how long it takes, how far they come and where they stop. */
export function countExploration(
  memory: ExplorationMemory,
  event: CountedEvent,
  add: Add,
): ExplorationMemory {
  const step = stepOf(event);
  if (step < 0) return memory;
  const begun = step === begins ? latest(memory.begun, event.at) : memory.begun;
  const chosen = step === completes ? latest(memory.chosen, event.at) : memory.chosen;
  const isLatest = event.at >= Math.max(begun ?? -Infinity, chosen ?? -Infinity);
  const isDone = isLatest && (step === begins || step === completes)
    ? step === completes
    : memory.isDone;
  const job = step === completes && chosen === event.at
    ? textIn(event.payload.métier, longestJob)
    : memory.job;
  countUse(memory, { begun, chosen, isDone }, add);
  countJob(memory, -1, add);
  countJob({ chosen, job }, 1, add);

  const before = memory.reached ?? journeySteps.map(() => null);
  const known = before[step] ?? Infinity;
  const reached = event.at < known ? before.with(step, event.at) : before;
  if (reached !== before) {
    countFunnel(before, -1, add);
    countFunnel(reached, 1, add);
  }
  return {
    reached,
    ...(begun !== undefined && { begun }),
    ...(chosen !== undefined && { chosen }),
    ...(isDone && { isDone }),
    ...(job !== undefined && { job }),
  };
}

/** Which step an event completes, or -1. Asking for a transition is none; taking it is. */
function stepOf({ event_type, payload }: CountedEvent): number {
  const step = (journeySteps as readonly string[]).indexOf(event_type);
  if (step !== journeySteps.length - 1) return step;
  return isTaken(payload) || payload.status === "completed" ? step : -1;
}

/**
 * Whether a transition says for the first time that it was taken; an event that names neither an app nor a status says so by itself.
 * One that names an app asks for it, however badly it is written.
 */
export function isTaken({ status, target_app, app_cible }: CountedEvent["payload"]): boolean {
  return says(status) ? status === "accepted" : !says(target_app) && !says(app_cible);
}

/** What an app can be called. */
const slug = /^[a-z0-9_-]{1,50}$/;

/** The app that a transition leads to, by the first of its two names that says something; "" where that is no app's name. */
export function targetOf({ target_app, app_cible }: CountedEvent["payload"]): string {
  const target = slugOf(textIn(says(target_app) ? target_app : app_cible, 100) ?? "");
  return slug.test(target) ? target : "";
}

function latest(known: number | undefined, at: number): number {
  return Math.max(known ?? -Infinity, at);
}

/** Users by the job that they chose last, on the day on which they did. */
function countJob(
  { chosen, job }: { chosen?: number | undefined; job?: string | undefined },
  count: 1 | -1,
  add: Add,
): void {
  if (chosen !== undefined && job !== undefined) {
    add({ figure: "job", day: dayOf(chosen), key: job }, { count });
  }
}

interface Use {
  readonly begun?: number | undefined;
  readonly chosen?: number | undefined;
  readonly isDone?: boolean | undefined;
}

/** Users by the last day on which a period may begin and still find them exploring, or having chosen a job. */
function countUse(was: Use, is: Use, add: Add): void {
  moveUser(add, { figure: "exploring" }, dayIn(was.begun), dayIn(is.begun));
  moveUser(add, { figure: "exploration_completed" }, completedDay(was), completedDay(is));
  if (was.begun !== is.begun || was.chosen !== is.chosen || was.isDone !== is.isDone) {
    countTime(was, -1, add);
    countTime(is, 1, add);
  }
}

function dayIn(at: number | undefined): number | undefined {
  return at === undefined ? undefined : dayOf(at);
}

function completedDay({ begun, chosen }: Use): number | undefined {
  return begun === undefined || chosen === undefined ? undefined : dayOf(Math.min(begun, chosen));
}

/** The time from beginning to choosing, where the user has not begun again since. */
function countTime({ begun, chosen, isDone }: Use, count: 1 | -1, add: Add): void {
  if (begun === undefined || chosen === undefined || !isDone) return;
  add({ figure: "exploration_time", day: dayOf(begun) }, {
    count,
    total: count * (chosen - begun),
  });
}

/** How far a user came, by the week in which they first began: the steps, the time each took since the one before, the last one. */
function countFunnel(reached: readonly (number | null)[], count: 1 | -1, add: Add): void {
  const begun = reached[begins];
  if (typeof begun !== "number") return;
  const week = weekOf(dayOf(begun));
  const path = reached
    .flatMap((at, step) => at === null ? [] : [{ at, step }])
    .sort((a, b) => a.at - b.at || a.step - b.step);
  path.forEach(({ at, step }, index) => {
    const since = path[index - 1]?.at;
    const seconds = step === begins || since === undefined ? undefined : secondsBetween(since, at);
    add(
      { figure: "step", day: week, key: journeySteps[step]! },
      { count, ...(seconds !== undefined && { seconds }) },
    );
  });
  const hasChosen = path.some(({ step }) => step >= completes);
  if (!hasChosen) {
    add({ figure: "exit", day: week, key: journeySteps[path.at(-1)!.step]! }, { count });
  }
}

function secondsBetween(from: number, to: number): number {
  return Math.min(Math.floor((to - from) / 1_000_000), 2_147_483_647);
}
