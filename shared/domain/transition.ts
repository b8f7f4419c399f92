import { day } from "./duration.ts";

/** The states of a transition, and the steps that lead to them; which may follow which stands in `flywheel.step_allowed()`. */
export const transitionStatuses = [
  "requested",
  "notified",
  "accepted",
  "completed",
  "rejected",
  "expired",
] as const;
export type TransitionStatus = (typeof transitionStatuses)[number];

/** How long a transition waits to be accepted or rejected, in milliseconds. */
export const transitionLifetime = 7 * day;
