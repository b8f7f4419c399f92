import { isActivity } from "../events/activity.ts";
import { keepLatest } from "../latest-times.ts";
import type { CountedEvent } from "./counted-event.ts";

/** When the user last did something in CV and Letters: microseconds since 1970, oldest first. */
export interface Activity {
  readonly cv?: readonly number[];
  readonly letters?: readonly number[];
}

/** How many times the rules between CV and Letters look at. */
const kept = { cv: 3, letters: 1 } as const;

/** The same as the reactor of that name remembers, but for every event, whatever became of it, and by its publisher's clock. */
export function rememberActivity(
  activity: Activity,
  { app_source, event_type, at }: CountedEvent,
): Activity {
  if ((app_source !== "cv" && app_source !== "letters") || !isActivity(event_type)) return activity;
  const known = activity[app_source] ?? [];
  const times = keepLatest(known, at, kept[app_source]);
  return times === known ? activity : { ...activity, [app_source]: times };
}
