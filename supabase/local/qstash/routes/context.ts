import type { Clock } from "../clock.ts";
import type { Deliverer } from "../deliver.ts";
import type { Publish } from "../publish.ts";
import type { Scheduler } from "../schedule.ts";
import type { Store } from "../store/store.ts";

/** What the routes work with. */
export interface RouteContext {
  store: Store;
  clock: Clock;
  publish: Publish;
  deliverer: Deliverer;
  scheduler: Scheduler;
  /** Milliseconds. */
  deduplicationWindow: number;
}
