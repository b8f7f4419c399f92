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

/** Why a transition expired where a newer one to the same app took its place. */
export const superseded = "superseded";
