import { accountEvents } from "../events/account.ts";
import { flywheelEvents } from "../events/flywheel.ts";
import type { CountedEvent } from "./counted-event.ts";

/** When the user last did something in CV and Letters: microseconds since 1970, oldest first. */
export interface Activity {
  readonly cv?: readonly number[];
  readonly letters?: readonly number[];
}

/** How many times the rules between CV and Letters look at. */
const kept = { cv: 3, letters: 1 } as const;

/** The same as the reactor of that name remembers, but for every event, whatever became of it. */
export function rememberActivity(
  activity: Activity,
  { app_source, event_type, at }: CountedEvent,
): Activity {
  if (app_source !== "cv" && app_source !== "letters") return activity;
  if (Object.hasOwn(accountEvents, event_type) || Object.hasOwn(flywheelEvents, event_type)) {
    return activity;
  }
  const known = activity[app_source] ?? [];
  const most = kept[app_source];
  if (known.length === most && at <= known[0]!) return activity;
  const times = [...known, at];
  // What happened before may arrive late.
  if (known.length > 0 && at < known.at(-1)!) times.sort((a, b) => a - b);
  if (times.length > most) times.shift();
  return { ...activity, [app_source]: times };
}
