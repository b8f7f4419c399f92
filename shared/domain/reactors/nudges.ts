import { apps, isApp } from "../apps.ts";
import { day } from "../duration.ts";
import type { NudgeEffect } from "../effect.ts";
import type { Reactor, ReactorEvent } from "../reactor.ts";
import { type Activity, activityKept, type NudgeRule, nudgeRules } from "./nudge-rules.ts";

interface NudgesState {
  readonly activity: Activity;
  /** When a nudge of each type was last made, milliseconds since 1970. */
  readonly sent: Readonly<Record<string, number>>;
}

const lifetime = 7 * day;

/** Makes the nudges whose rule fits what the user just did: at most one of a type in 24 hours. */
export const nudges: Reactor<NudgesState> = {
  name: "nudges",
  version: 1,
  initial: { activity: {}, sent: {} },
  react(state, event) {
    if (!isApp(event.app_source)) return { state };
    const now = event.received_at;
    const activity = remember(state.activity, event.app_source, event.timestamp);
    const due = nudgeRules.filter((rule) =>
      rule.fits(activity, now) && now - (state.sent[rule.nudge_type] ?? -Infinity) >= day
    );
    return {
      state: {
        activity,
        sent: { ...state.sent, ...Object.fromEntries(due.map((rule) => [rule.nudge_type, now])) },
      },
      effects: due.map((rule) => nudgeOf(rule, event, now)),
    };
  },
};

/** The activity with one more event; events of before arrive late, so the times are kept in order. */
function remember(activity: Activity, app: keyof Activity, at: number): Activity {
  const times = [...activity[app] ?? [], at].sort((a, b) => a - b).slice(-activityKept);
  return { ...activity, [app]: times };
}

function nudgeOf(rule: NudgeRule, event: ReactorEvent, now: number): NudgeEffect {
  return {
    kind: "nudge",
    nudge_type: rule.nudge_type,
    app_source: event.app_source,
    target_app: rule.target_app,
    variant: "default",
    title: rule.title,
    message: rule.message,
    cta_label: rule.cta_label,
    cta_url: apps[rule.target_app].url,
    expires_at: now + lifetime,
  };
}
