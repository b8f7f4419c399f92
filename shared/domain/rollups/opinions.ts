import { type CountedEvent, dayOf, hundredthsIn } from "./counted-event.ts";
import type { Add } from "./increments.ts";

/** How satisfied users say that they are. */
export function countOpinion(
  { event_type, app_source, payload, at }: CountedEvent,
  add: Add,
): void {
  if (event_type !== "feedback.submitted") return;
  const total = hundredthsIn(payload.satisfaction, 1, 5);
  if (total === undefined) return;
  add({ figure: "satisfaction", day: dayOf(at), app_source }, { count: 1, total });
}
