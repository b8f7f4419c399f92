import { type CountedEvent, dayOf, flywheelApp, textIn } from "./counted-event.ts";
import { isTaken, targetOf } from "./explorations.ts";
import type { Add } from "./increments.ts";
import { lastDayIn, moveUser, type Presence } from "./presence.ts";

export interface TransitionsMemory {
  /** What was asked for and not answered yet: when, microseconds since 1970. */
  readonly open?: readonly (readonly [transition_id: string, asked: number])[];
  /** The last day that one was asked for, and that one was asked for that the user then took. */
  readonly asked?: number;
  readonly taken?: number;
  /** Those taken after which the user has not come back to the app yet. */
  readonly awaited?: readonly (readonly [app: string, day: number, times: number])[];
}

/** How many days after a transition a user has to be there to count as kept. */
const returnDays = 30;

/**
 * Transitions from app to app, and the users who take them.
 *
 * @param presence with this event
 */
export function countTransition(
  memory: TransitionsMemory,
  event: CountedEvent,
  presence: Presence,
  add: Add,
): TransitionsMemory {
  const isTransition = event.event_type === "transition_écosystème";
  if (!isTransition && !memory.awaited) return memory;
  return countReturns(isTransition ? countStep(memory, event, add) : memory, presence, add);
}

function countStep(
  memory: TransitionsMemory,
  { app_source, payload, at }: CountedEvent,
  add: Add,
): TransitionsMemory {
  const day = dayOf(at);
  const status = textIn(payload.status, 50) ?? "";
  if (isTaken(payload)) add({ figure: "transition", day }, { count: 1 });

  // What became of a request is for the flywheel to tell.
  const id = textIn(payload.transition_id, 200);
  if (app_source !== flywheelApp || id === undefined) return memory;
  const { open = [], awaited = [], ...days } = memory;
  const others = open.filter(([each]) => each !== id);
  if (status === "requested") {
    const asked = Math.max(days.asked ?? -Infinity, day);
    moveUser(add, { figure: "transition_asked" }, days.asked, asked);
    return { ...memory, open: [...others, [id, at] as const], asked };
  }
  const asked = open.find(([each]) => each === id)?.[1];
  if (asked === undefined || !ends.has(status)) return memory;
  const rest = compact({ ...memory, open: others });
  if (status !== "accepted") return rest;

  const taken = Math.max(days.taken ?? -Infinity, dayOf(asked));
  moveUser(add, { figure: "transition_taken" }, days.taken, taken);
  // By a clock that was set back in between it took less than no time.
  if (at >= asked) {
    add({ figure: "transition_time", day: dayOf(asked) }, { count: 1, total: at - asked });
  }
  add({ figure: "transition_return", day, key: "taken" }, { count: 1 });
  const target = targetOf(payload);
  const isSame = ([app, on]: (typeof awaited)[number]) => app === target && on === day;
  const times = 1 + (awaited.find(isSame)?.[2] ?? 0);
  const elsewhere = awaited.filter((each) => !isSame(each));
  return { ...rest, taken, awaited: [...elsewhere, [target, day, times] as const] };
}

/** After which a transition is answered. */
const ends: ReadonlySet<string> = new Set(["accepted", "rejected", "expired"]);

function countReturns(memory: TransitionsMemory, presence: Presence, add: Add): TransitionsMemory {
  const { awaited = [] } = memory;
  const left = awaited.filter(([app, day, times]) => {
    const isBack = (lastDayIn(presence, app) ?? -Infinity) >= day + returnDays;
    if (isBack) add({ figure: "transition_return", day, key: "returned" }, { count: times });
    return !isBack;
  });
  return left.length === awaited.length ? memory : compact({ ...memory, awaited: left });
}

/** Without the lists that are empty. */
function compact({ open = [], awaited = [], ...days }: TransitionsMemory): TransitionsMemory {
  return { ...days, ...(open.length > 0 && { open }), ...(awaited.length > 0 && { awaited }) };
}
