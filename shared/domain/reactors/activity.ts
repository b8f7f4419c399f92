import { type App, isApp } from "../apps.ts";
import { isActivity } from "../events/activity.ts";
import { keepLatest } from "../latest-times.ts";
import { type Reactor, type ReactorEvent, type State, stateOf } from "../reactor.ts";

/** When a user last did something in each app: milliseconds since 1970, oldest first. */
export type Activity = Readonly<Partial<Record<App, readonly number[]>>>;

/** How many of an app's last times {@link Activity} keeps: what the most demanding rule counts. */
const kept = 3;

/** Remembers when the user did something in which app. */
export const activity: Reactor<Activity> = {
  name: "activity",
  version: 2,
  initial: {},
  react(state, event) {
    const app = appOf(event);
    if (!app) return { state };
    const known = state[app] ?? [];
    const times = keepLatest(known, event.timestamp, kept);
    return { state: times === known ? state : { ...state, [app]: times } };
  },
};

/** What the user did, from what the reactors remember. */
export function readActivity(states: State): Activity {
  return stateOf(activity, states);
}

/** The app that the user did something in. */
export function appOf({ app_source, event_type }: ReactorEvent): App | undefined {
  return isApp(app_source) && isActivity(event_type) ? app_source : undefined;
}

/** When the user last did something in an app, milliseconds since 1970; undefined where they never did. */
export function lastTimeIn(app: App, activity: Activity): number | undefined {
  return activity[app]?.at(-1);
}

/**
 * How many of an app's last times, three at most, are not before a time. At that time counts, since events told together have one time.
 *
 * @param since milliseconds since 1970
 */
export function timesSince(activity: Activity, app: App, since: number): number {
  let times = 0;
  for (const at of activity[app] ?? []) if (at >= since) times++;
  return times;
}
