import { type App, isApp, slugOf } from "../apps.ts";
import type { ExpiryEffect, TransitionEffect } from "../effect.ts";
import { asKnown, type EventOf } from "../events/known-event.ts";
import type { TransitionContext } from "../events/transition-context.ts";
import { firstSaid } from "../first-said.ts";
import { murmur3 } from "../murmur3.ts";
import type { Context, Reaction, Reactor, ReactorEvent } from "../reactor.ts";
import { inMs } from "../settings.ts";
import type { TransitionStatus } from "../transition.ts";
import { isSameJob, jobKey, readProfile } from "./profile.ts";
import { contextFor } from "./transition-contexts.ts";

/** The last transition to an app. */
interface Handover {
  readonly transition_id: string;
  readonly status: TransitionStatus;
  /** When it expires unless it is answered, milliseconds since 1970; absent once it has been. */
  readonly expires_at?: number;
  /** The hash of its context. */
  readonly context?: number;
}

interface TransitionsState {
  /** The job chosen last, as {@link jobKey} writes it. */
  readonly job?: string;
  readonly handovers: Readonly<Partial<Record<App, Handover>>>;
}

/** The apps that a chosen job is handed over to. */
const targets: readonly App[] = ["cv", "letters", "rise"];

/** A transition that is under way or done: it need not be made again for the same job. */
const standing: readonly TransitionStatus[] = ["requested", "notified", "accepted", "completed"];

/**
 * Hands a user over to other apps with what is known of them.
 *
 * A chosen job makes transitions to CV, Letters and Rise. Another job makes new ones, which supersede those that nobody has answered;
 * the same job again makes those alone that were rejected or have expired. An app may ask for one, and again if it has something else
 * to say. The rows are the truth about what became of a transition: this reactor learns it from the events that tell of them, and says
 * only when an unanswered one's time is over.
 */
export const transitions: Reactor<TransitionsState> = {
  name: "transitions",
  version: 5,
  initial: { handovers: {} },
  react(state, event, context) {
    const known = asKnown(event);
    switch (known.event_type) {
      case "métier_choisi":
        return hand(state, known, context);
      case "transition_écosystème":
        return known.app_source === "flywheel"
          ? { state: learn(state, known) }
          : moveOn(state, known, context);
      default:
        return { state };
    }
  },
  wakeAt({ handovers }) {
    let first = Infinity;
    for (const app in handovers) {
      first = Math.min(first, handovers[app as App]!.expires_at ?? Infinity);
    }
    return first === Infinity ? undefined : first;
  },
  wake(state, now) {
    const due = Object.entries(state.handovers).filter(([, { expires_at }]) =>
      expires_at !== undefined && expires_at <= now
    );
    return {
      // Where an app has answered in the last moment, the event that tells of it comes yet.
      state: due.reduce<TransitionsState>(
        (state, [app, { transition_id }]) =>
          remember(state, app as App, { transition_id, status: "expired" }),
        state,
      ),
      effects: due.map(([, { transition_id }]): ExpiryEffect => ({
        kind: "expiry",
        transition_id,
      })),
    };
  },
};

/** A job was chosen. */
function hand(
  before: TransitionsState,
  event: EventOf<"métier_choisi">,
  context: Context,
): Reaction<TransitionsState> {
  const { choix } = readProfile(context.states);
  // What comes late of a choice before the last one hands nobody over, nor does a name that says nothing.
  if (!choix || !isSameJob(choix.métier, event.payload.métier)) return { state: before };
  const job = jobKey(event.payload.métier);
  const source = sourceOf(event);
  let state: TransitionsState = { ...before, job };
  const effects: TransitionEffect[] = [];
  for (const target of targets) {
    if (target === source || (job === before.job && stands(before, target))) continue;
    const { effect, handover } = make(target, source, {}, event.received_at, context);
    state = remember(state, target, handover);
    effects.push(effect);
  }
  return { state, effects };
}

/**
 * An app says that the user moves on: that asks for a transition where none to the target app stands, or where it says what that app has
 * not been told.
 */
function moveOn(
  state: TransitionsState,
  { payload, ...event }: EventOf<"transition_écosystème">,
  context: Context,
): Reaction<TransitionsState> {
  const target = appOf(firstSaid(payload.target_app, payload.app_cible));
  const source = sourceOf(event);
  const isRequest = payload.transition_id == null &&
    (payload.status ?? "requested") === "requested";
  if (!isRequest || target === undefined || target === source) return { state };
  const said = payload.context ?? payload.contexte ?? payload.transition_context ??
    payload.contexte_transition ?? {};
  const { effect, handover } = make(target, source, said, event.received_at, context);
  const saysNothingNew = Object.keys(said).length === 0 ||
    handover.context === state.handovers[target]?.context;
  if (stands(state, target) && saysNothingNew) return { state };
  return { state: remember(state, target, handover), effects: [effect] };
}

function make(
  target: App,
  source: App,
  said: TransitionContext,
  now: number,
  context: Context,
): { effect: TransitionEffect; handover: Handover } {
  const expires_at = now + inMs(context.settings.transitions.lifetime_days);
  const effect: TransitionEffect = {
    kind: "transition",
    source_app: source,
    target_app: target,
    context: contextFor(target, readProfile(context.states), said),
    expires_at,
  };
  return {
    effect,
    handover: {
      transition_id: context.idOf(effect),
      status: "requested",
      expires_at,
      context: hashOf(effect.context),
    },
  };
}

/** The flywheel tells what became of a transition; of those to one app the last one counts. */
function learn(
  state: TransitionsState,
  { payload }: EventOf<"transition_écosystème">,
): TransitionsState {
  const { transition_id, target_app, status, expires_at, context } = payload;
  const app = appOf(target_app);
  if (app === undefined || typeof transition_id !== "string") return state;
  const current = state.handovers[app];
  switch (status) {
    case "requested": {
      const time = Date.parse(String(expires_at));
      return remember(state, app, {
        transition_id,
        status,
        ...(Number.isFinite(time) && { expires_at: time }),
        ...(context && { context: hashOf(context) }),
      });
    }
    case "notified":
      if (current?.transition_id !== transition_id) return state;
      return remember(state, app, { ...current, status });
    case "accepted":
    case "completed":
    case "rejected":
    case "expired": {
      if (current?.transition_id !== transition_id) return state;
      const { expires_at: _, ...rest } = current;
      return remember(state, app, { ...rest, status });
    }
    default:
      return state;
  }
}

function remember(state: TransitionsState, app: App, handover: Handover): TransitionsState {
  return { ...state, handovers: { ...state.handovers, [app]: handover } };
}

function stands({ handovers }: TransitionsState, app: App): boolean {
  const handover = handovers[app];
  return handover !== undefined && standing.includes(handover.status);
}

/** Where the user comes from: what is no app of the family speaks for Aube, whose events these are. */
function sourceOf({ app_source }: Pick<ReactorEvent, "app_source">): App {
  return isApp(app_source) ? app_source : "aube";
}

function appOf(name: string | null | undefined): App | undefined {
  const slug = slugOf(name ?? "");
  return isApp(slug) ? slug : undefined;
}

/** What a context is recognised by, in whatever order its fields come. */
function hashOf(context: TransitionContext): number {
  const sorted = JSON.stringify(
    context,
    (_, value) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
        : value,
  );
  return murmur3(sorted);
}
