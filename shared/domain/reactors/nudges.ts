import { type App, apps, isApp, slugOf } from "../apps.ts";
import type { NudgeEffect } from "../effect.ts";
import { asKnown, type EventOf } from "../events/known-event.ts";
import { armOf, holdout } from "../experiment.ts";
import { firstSaid } from "../first-said.ts";
import type { NudgeType } from "../nudge-types.ts";
import { afterQuietHours } from "../quiet-hours.ts";
import type { Context, Reaction, Reactor, ReactorEvent } from "../reactor.ts";
import { inMs, type Settings } from "../settings.ts";
import { superseded } from "../transition.ts";
import { appOf, lastTimeIn, readActivity, timesSince } from "./activity.ts";
import { chosenAt, currentStep, readJourney } from "./journey.ts";
import {
  expire,
  follow,
  type Followed,
  isOutdated,
  isWaiting,
  meetTargets,
  type OpenNudge,
  takeBack,
} from "./nudge-lifecycle.ts";
import { compensationFor, isAboutChoice, isTargetOf, nudgesFor, targetOf } from "./nudge-rules.ts";
import { type Wording, wordings } from "./nudge-wordings.ts";
import { jobKey, readProfile } from "./profile.ts";

/** Times in milliseconds since 1970. */
interface NudgesState {
  readonly open: readonly OpenNudge[];
  /** The nudges taken back last, until that is told. It never is of one that the user had seen before the fold came to take it back. */
  readonly taken: readonly OpenNudge[];
  /** What was decided on, within the period that is counted. */
  readonly sent: readonly Decision[];
  /** When one of each type was last decided on. */
  readonly last: PerType<number>;
  /** How often each type was dismissed. */
  readonly dismissed: PerType<number>;
  /** What a timer is to decide on. */
  readonly planned: PerType<Plan>;
}

type PerType<Value> = Readonly<Partial<Record<NudgeType, Value>>>;

interface Decision {
  readonly type: NudgeType;
  readonly at: number;
  /** It is held out, or was over before anybody saw it. */
  readonly unseen?: true;
}

/** How many nudges that were taken back are remembered, however many a long backlog brings. */
const keptTaken = 10;

/** What a nudge goes back to, and where it is best shown. */
interface Origin {
  readonly app_source: App;
  readonly causation_id?: string;
  readonly correlation_id?: string;
}

interface Plan extends Origin {
  readonly at: number;
  /** The nudge is pointless once the user has done, since then, what it would lead to. Without it that makes no difference. */
  readonly since?: number;
}

/**
 * Decides on nudges and follows them to their end: {@link nudgeTypes} says which there are, `nudge-rules.ts` when they
 * fit, `nudge-lifecycle.ts` what becomes of them. It sees to it that nobody is nudged too often or at night.
 */
export const nudges: Reactor<NudgesState> = {
  name: "nudges",
  version: 8,
  initial: { open: [], taken: [], sent: [], last: {}, dismissed: {}, planned: {} },

  react(remembered, event, context) {
    const before = decidedBy(event.received_at, remembered);
    const known = asKnown(event);
    const settings = context.settings.nudges;
    if (known.event_type.startsWith("nudge.")) {
      const { open, taken, dismissed, seen } = follow(before, known, settings);
      const state = { ...before, open, taken, dismissed: count(before.dismissed, dismissed) };
      return { state: seen ? countSeen(state, seen, known.timestamp) : state };
    }

    const { open, taken, effects: ends } = meetTargets(before.open, event, context);
    const met = withdraw(
      open.length < before.open.length ? remember(end(before, open), taken) : before,
      event,
    );
    let { state, effects } = giveUp({ state: met, effects: ends }, context);

    const app_source = appOf(event);
    const origin = {
      app_source: app_source ?? "aube",
      causation_id: event.event_id,
      ...(event.correlation_id !== null && { correlation_id: event.correlation_id }),
    };
    if (known.event_type === "transition_écosystème") {
      state = planCompensation(state, known, origin, context);
    }
    if (app_source === undefined) return { state, effects };
    if (app_source === "aube") state = planReminder(state, event, origin, context);
    return nudgesFor(event, context).reduce(
      (reaction, type) => decide(reaction, type, event.received_at, origin, context),
      { state, effects },
    );
  },

  wakeAt({ open, planned }) {
    let first = Infinity;
    for (const { until } of open) first = Math.min(first, until);
    for (const type in planned) first = Math.min(first, planned[type as NudgeType]!.at);
    return first === Infinity ? undefined : first;
  },

  wake(remembered, now, context) {
    const before = decidedBy(now, remembered);
    const { open, effects } = expire(before.open, now);
    let reaction: Required<Reaction<NudgesState>> = { state: end(before, open), effects };
    for (const [type, due] of Object.entries(before.planned) as [NudgeType, Plan][]) {
      if (due.at > now) continue;
      const at = afterQuietHours(now, context.settings.nudges.quiet_hours);
      const { effects } = reaction;
      const state = plan(reaction.state, type, at > now ? { ...due, at } : undefined);
      const isOver = due.since === undefined
        ? type === "journey_stalled" && !isExploring(context)
        : isMadeUpFor(type, due.app_source, due.since, context);
      reaction = at > now || isOver
        ? { state, effects }
        : decide({ state, effects }, type, now, due, context);
    }
    return reaction;
  },
};

/** The state without what was decided after now, by a clock that was ahead: until then it would keep nudges away. */
function decidedBy(now: number, state: NudgesState): NudgesState {
  const { sent, last } = state;
  const isOver = (at: number) => at <= now;
  if (sent.every(({ at }) => isOver(at)) && Object.values(last).every(isOver)) return state;
  return {
    ...state,
    sent: sent.filter(({ at }) => isOver(at)),
    last: Object.fromEntries(Object.entries(last).filter(([, at]) => isOver(at))),
  };
}

/** The job that the user goes for: none once they explore anew. */
function jobIn({ states }: Pick<Context, "states">): string | undefined {
  return chosenAt(states) === undefined ? undefined : readProfile(states).choix?.métier;
}

function jobKeyIn(context: Pick<Context, "states">): string | undefined {
  const job = jobIn(context);
  return job && jobKey(job);
}

/** Takes back what nobody has seen about a job that was given up. It counts for no cap, so that the next job can be spoken of. */
function giveUp(
  { state, effects }: Required<Reaction<NudgesState>>,
  context: Context,
): Required<Reaction<NudgesState>> {
  if (state.open.every(({ job }) => job === undefined)) return { state, effects };
  const { open, taken, effects: ends } = takeBack(state.open, jobKeyIn(context));
  if (taken.length === 0) return { state, effects };
  const stands = (type: string, time: number) =>
    !taken.some(({ nudge_type, sent_at }) => nudge_type === type && sent_at === time);
  return {
    state: {
      ...remember({ ...state, open }, taken),
      sent: state.sent.filter(({ type, at }) => stands(type, at)),
      last: Object.fromEntries(Object.entries(state.last).filter(([type, at]) => stands(type, at))),
    },
    effects: [...effects, ...ends],
  };
}

/** The state with the nudges that are still open. Of those that have ended unseen it is noted that they were not seen. */
function end(state: NudgesState, open: NudgesState["open"]): NudgesState {
  const over = state.open.filter((nudge) => isWaiting(nudge) && !open.includes(nudge));
  const isOver = ({ type, at }: Decision) =>
    over.some(({ nudge_type, sent_at }) => nudge_type === type && sent_at === at);
  return {
    ...state,
    open,
    sent: over.length === 0
      ? state.sent
      : state.sent.map((each) => isOver(each) ? { ...each, unseen: true } : each),
  };
}

function remember(state: NudgesState, taken: NudgesState["taken"]): NudgesState {
  if (taken.length === 0) return state;
  return { ...state, taken: [...state.taken, ...taken].slice(-keptTaken) };
}

/** A nudge that was seen, and perhaps dismissed, counts though it was taken back. */
function countSeen(
  state: NudgesState,
  { type, sent_at: at }: NonNullable<Followed["seen"]>,
  time: number,
): NudgesState {
  const last = { ...state.last, [type]: Math.max(state.last[type] ?? -Infinity, time) };
  if (at === undefined) return { ...state, last };
  const others = state.sent.filter((each) => each.type !== type || each.at !== at);
  return { ...state, last, sent: [...others, { type, at }] };
}

function isExploring({ states }: Pick<Context, "states">): boolean {
  return currentStep(readJourney(states)) !== undefined;
}

/** A user who explores is to be reminded of it once Aube has not heard from them for long. Late events do not change when that is. */
function planReminder(
  state: NudgesState,
  { timestamp, received_at }: ReactorEvent,
  origin: Origin,
  context: Context,
): NudgesState {
  const { recent_days, stalled_days } = context.settings.nudges;
  const last = lastTimeIn("aube", readActivity(context.states)) ?? timestamp;
  if (!isExploring(context) || last <= received_at - inMs(recent_days)) {
    return plan(state, "journey_stalled", undefined);
  }
  // One silence is told of once, whatever comes late of it or of before.
  const isReminded = (state.last.journey_stalled ?? -Infinity) >= last;
  if (isReminded || (timestamp < last && state.planned.journey_stalled)) return state;
  // What was told together was received at one moment: the last of it may be what ends the silence.
  const at = Math.max(received_at + 1, last + inMs(stalled_days));
  return plan(state, "journey_stalled", { ...origin, at });
}

/** An app that did not take the user over is made up for by an invitation, unless it is asked again or the user went there anyway. */
function planCompensation(
  state: NudgesState,
  { app_source, payload, received_at }: EventOf<"transition_écosystème">,
  origin: Origin,
  context: Context,
): NudgesState {
  const type = compensationFor(slugOf(firstSaid(payload.target_app, payload.app_cible) ?? ""));
  if (app_source !== "flywheel" || !type) return state;
  const isOver = payload.status === "rejected" || payload.status === "expired";
  const source = slugOf(payload.source_app ?? "");
  const app = isApp(source) ? source : origin.app_source;
  // One that is superseded has another transition to the same app in its place. An app may give that reason, but expires nothing.
  const isReplaced = payload.status === "expired" && payload.reason === superseded;
  if (!isOver || isReplaced || isMadeUpFor(type, app, received_at, context)) {
    return plan(state, type, undefined);
  }
  return plan(state, type, {
    ...origin,
    at: received_at,
    since: received_at,
    app_source: app,
  });
}

/** Whether a transition that failed needs no invitation: the user is there anyway, or has given up the job that Aube handed over. */
function isMadeUpFor(
  type: NudgeType,
  source: App,
  failedAt: number,
  { states, settings }: Pick<Context, "states" | "settings">,
): boolean {
  const chosen = chosenAt(states);
  const asked = chosen ?? failedAt - inMs(settings.transitions.lifetime_days);
  const isThere = timesSince(readActivity(states), targetOf(type), asked) > 0;
  const isGivenUp = source === "aube" && chosen === undefined &&
    readProfile(states).choix !== undefined && isExploring({ states });
  return isThere || isGivenUp;
}

/** What is planned is pointless once the user has done what it would lead to. */
function withdraw(state: NudgesState, event: ReactorEvent): NudgesState {
  let left = state;
  for (const [type, { since }] of Object.entries(state.planned) as [NudgeType, Plan][]) {
    if (since === undefined || event.timestamp < since || !isTargetOf(type, event)) continue;
    left = plan(left, type, undefined);
  }
  return left;
}

/** The reaction with one more nudge, where the user has not had enough of them. */
function decide(
  { state, effects }: Required<Reaction<NudgesState>>,
  type: NudgeType,
  now: number,
  origin: Origin,
  context: Context,
): Required<Reaction<NudgesState>> {
  const settings = context.settings.nudges;
  const isTooMuchOfIt = (state.last[type] ?? -Infinity) > now - inMs(settings.same_type_days) ||
    (state.dismissed[type] ?? 0) >= settings.max_dismissals ||
    state.open.some((nudge) =>
      nudge.nudge_type === type && isWaiting(nudge) && !isOutdated(nudge, jobKeyIn(context))
    );
  if (isTooMuchOfIt) return { state, effects };
  const sent = state.sent.filter(({ at }) => at > now - inMs(settings.period_days));
  // What nobody sees counts, so that both arms are chosen alike; but support is not withheld for the sake of a figure.
  const counted = type === "wellbeing_support" ? sent.filter(({ unseen }) => !unseen) : sent;
  if (counted.length >= settings.max_in_period) return { state, effects };
  const variant = variantOf(context.user_id, type, settings);
  if (variant === undefined) return { state, effects };

  const nudge = nudgeOf(type, variant, now, origin, context);
  const isHeldOut = variant === holdout;
  const job = isAboutChoice(type) ? jobKeyIn(context) : undefined;
  const open: OpenNudge = {
    nudge_id: context.idOf(nudge),
    nudge_type: type,
    variant,
    sent_at: now,
    ...(job !== undefined && { job }),
    ...(origin.correlation_id !== undefined && { correlation_id: origin.correlation_id }),
    until: isHeldOut ? now + inMs(settings.conversion_days) : nudge.expires_at,
  };
  return {
    state: {
      ...state,
      open: [...state.open, open],
      sent: [...sent, { type, at: now, ...(isHeldOut && { unseen: true }) }],
      last: { ...state.last, [type]: now },
    },
    effects: [...effects, nudge],
  };
}

function nudgeOf(
  type: NudgeType,
  variant: string,
  now: number,
  origin: Origin,
  context: Pick<Context, "settings" | "states">,
): NudgeEffect {
  const target_app = targetOf(type);
  const words = wordings[type][variant] ?? Object.values(wordings[type])[0]!;
  const wording: Wording = words({
    métier: jobIn(context),
    step: currentStep(readJourney(context.states)),
  });
  const { app_source, causation_id, correlation_id } = origin;
  return {
    kind: "nudge",
    ...(causation_id !== undefined && { causation_id }),
    ...(correlation_id !== undefined && { correlation_id }),
    nudge_type: type,
    app_source,
    target_app,
    variant,
    ...wording,
    cta_url: apps[target_app].url,
    expires_at: now + inMs(context.settings.nudges.lifetime_days),
  };
}

/**
 * The wording that a user gets, or the holdout: the same for ever, as long as the experiment is divided the same way. Undefined where
 * no wording is given to anybody.
 */
function variantOf(
  user_id: string,
  type: NudgeType,
  settings: Settings["nudges"],
): string | undefined {
  const said = settings.experiments[type];
  const variants = Object.keys(wordings[type]);
  return armOf(user_id, type, {
    holdout: said?.holdout ?? settings.holdout,
    weights: Object.fromEntries(
      variants.map((variant) => [variant, said?.weights?.[variant] ?? 1]),
    ),
  });
}

function plan(state: NudgesState, type: NudgeType, due: Plan | undefined): NudgesState {
  const { [type]: before, ...others } = state.planned;
  if (!due) return before ? { ...state, planned: others } : state;
  return { ...state, planned: { ...others, [type]: due } };
}

function count(counts: PerType<number>, type: NudgeType | undefined): PerType<number> {
  return type ? { ...counts, [type]: (counts[type] ?? 0) + 1 } : counts;
}
