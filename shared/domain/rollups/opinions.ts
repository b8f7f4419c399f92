import { type CountedEvent, dayOf, hundredthsIn, textIn } from "./counted-event.ts";
import type { Add } from "./increments.ts";

/** What users say: the jobs that they choose and how satisfied they are. */
export function countOpinion(
  { event_type, app_source, payload, at }: CountedEvent,
  add: Add,
): void {
  const day = dayOf(at);
  if (event_type === "métier_choisi") {
    const job = textIn(payload.métier, 500);
    if (job !== undefined) add({ figure: "job", day, key: job }, { count: 1 });
  } else if (event_type === "feedback.submitted") {
    const total = hundredthsIn(payload.satisfaction, 1, 5);
    if (total !== undefined) add({ figure: "satisfaction", day, app_source }, { count: 1, total });
  }
}
