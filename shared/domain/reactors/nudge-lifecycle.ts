import { holdout } from "../experiment.ts";
import type { Effect } from "../effect.ts";
import type { KnownEvent } from "../events/known-event.ts";
import { type NudgeType, nudgeTypes } from "../nudge-types.ts";
import type { Context, ReactorEvent } from "../reactor.ts";
import { inMs, type Settings } from "../settings.ts";
import { isPointless, isTargetOf, targetOf } from "./nudge-rules.ts";

/** A nudge that something may still become of. Times in milliseconds since 1970. */
export interface OpenNudge {
  readonly nudge_id: string;
  readonly nudge_type: NudgeType;
  readonly variant: string;
  readonly sent_at: number;
  /** The job that it is about, as {@link jobKey} writes it. */
  readonly job?: string;
  readonly correlation_id?: string;
  readonly shown?: true;
  readonly clicked_at?: number;
  /** When nothing more can become of it. */
  readonly until: number;
}

/** What became of the open nudges. */
export interface Outcome {
  open: readonly OpenNudge[];
  effects: readonly Effect[];
}

/** What became of them where some may have been taken back. */
export interface TakenBack extends Outcome {
  /** Those taken back: nobody has seen them, as far as is known. */
  taken: readonly OpenNudge[];
}

/** Whether the user has still to see it, or would have if it were not held out. */
export function isWaiting({ shown }: OpenNudge): boolean {
  return !shown;
}

/** What the user did with a nudge, and of which type it is. */
export interface Followed {
  readonly open: readonly OpenNudge[];
  readonly taken: readonly OpenNudge[];
  readonly dismissed?: NudgeType | undefined;
  /** Set where it is not open: it was taken back before this was heard, or these rules would not have made it. It was seen all the same. */
  readonly seen?: { readonly type: NudgeType; readonly sent_at: number | undefined } | undefined;
}

/** Follows what the user did with a nudge. One that was seen before it was taken back is as open as any other. */
export function follow(
  { open, taken }: Pick<Followed, "open" | "taken">,
  event: KnownEvent,
  settings: Settings["nudges"],
): Followed {
  // Only the flywheel tells what a user did with a nudge: what an app claims counts for nothing.
  if (event.app_source !== "flywheel") return { open, taken };
  switch (event.event_type) {
    case "nudge.shown":
    case "nudge.clicked":
    case "nudge.dismissed": {
      const { nudge_id, nudge_type } = event.payload;
      const isIt = (each: OpenNudge) => each.nudge_id === nudge_id;
      const current = open.find(isIt);
      if (current?.clicked_at !== undefined) return { open, taken };
      const nudge = current ?? taken.find(isIt);
      const type = nudge?.nudge_type ?? nudgeTypes.find((each) => each === nudge_type);
      const others = {
        open: open.filter((each) => each !== nudge),
        taken: taken.filter((each) => each !== nudge),
        ...(!current && type && { seen: { type, sent_at: nudge?.sent_at } }),
      };
      if (event.event_type === "nudge.dismissed") return { ...others, dismissed: type };
      if (!nudge) return others;
      if (event.event_type === "nudge.shown") {
        return { ...others, open: [...others.open, { ...nudge, shown: true }] };
      }
      const clicked_at = event.timestamp;
      const until = clicked_at + inMs(settings.conversion_days);
      const clicked: OpenNudge = { ...nudge, shown: true, clicked_at, until };
      return { ...others, open: [...others.open, clicked] };
    }
    case "nudge.cancelled": {
      // Told where nobody had seen it by then, and so nobody will.
      const { nudge_id } = event.payload;
      return { open, taken: taken.filter((each) => each.nudge_id !== nudge_id) };
    }
    default:
      return { open, taken };
  }
}

/**
 * Ends the open nudges that an event is the target of: one that was clicked is converted, one that nobody has seen yet
 * pointless. A held-out nudge converts as it stands. One that was seen and not followed stays as it is.
 */
export function meetTargets(
  open: readonly OpenNudge[],
  event: ReactorEvent,
  context: Pick<Context, "states" | "settings">,
): TakenBack {
  const effects: Effect[] = [];
  const taken: OpenNudge[] = [];
  if (!open.some(({ nudge_type }) => isTargetOf(nudge_type, event))) {
    return { open, effects, taken };
  }
  const left = open.filter((nudge) => {
    if (!isTargetOf(nudge.nudge_type, event)) return true;
    const { event_type } = event;
    const since = nudge.variant === holdout ? nudge.sent_at : nudge.clicked_at;
    if (since !== undefined) {
      // What happened before and only arrived late was not brought about by the nudge.
      if (event.timestamp < since) return true;
      effects.push(...change(nudge, "converted", { event_type }));
      return false;
    }
    if (nudge.shown || !isPointless(nudge.nudge_type, nudge.sent_at, event, context)) return true;
    effects.push(...change(nudge, "cancelled", { reason: `${event_type} came first` }));
    taken.push(nudge);
    return false;
  });
  return { open: left, effects, taken };
}

/** Whether it is about another job than the one that the user goes for now. */
export function isOutdated(nudge: OpenNudge, job: string | undefined): boolean {
  return nudge.job !== undefined && nudge.job !== job;
}

/**
 * Takes back what is outdated and nobody has seen yet. A held-out nudge stays: had it not been held out, the user might have seen it,
 * and it would have stayed.
 */
export function takeBack(
  open: readonly OpenNudge[],
  job: string | undefined,
): TakenBack {
  const isOver = (nudge: OpenNudge) =>
    isWaiting(nudge) && nudge.variant !== holdout && isOutdated(nudge, job);
  const taken = open.filter(isOver);
  return {
    open: open.filter((nudge) => !isOver(nudge)),
    effects: taken.flatMap((nudge) =>
      change(nudge, "cancelled", { reason: "its job was given up" })
    ),
    taken,
  };
}

/** Ends the nudges whose time is over: one that was not followed has expired. */
export function expire(open: readonly OpenNudge[], now: number): Outcome {
  const over = open.filter(({ until }) => until <= now);
  return {
    open: open.filter(({ until }) => until > now),
    effects: over
      .filter(({ variant, clicked_at }) => variant !== holdout && clicked_at === undefined)
      .flatMap((nudge) =>
        change(nudge, "expired", { reason: nudge.shown ? "not followed" : "not seen" })
      ),
  };
}

/** A change of a nudge, and the event that tells of it. Of a held-out nudge nothing is told, least of all to its user. */
function change(
  { nudge_id, nudge_type, variant, correlation_id }: OpenNudge,
  what: "converted" | "expired" | "cancelled",
  more: Readonly<Record<string, string>>,
): Effect[] {
  const changed: Effect = { kind: "nudge_change", nudge_id, change: what };
  return variant === holdout ? [changed] : [
    changed,
    {
      kind: "event",
      event_type: `nudge.${what}`,
      app_source: "flywheel",
      payload: { nudge_id, nudge_type, target_app: targetOf(nudge_type), variant, ...more },
      subject: nudge_id,
      ...(correlation_id !== undefined && { correlation_id }),
    },
  ];
}
