/**
 * What the reactors cost, without the database: `deno run -A tests/bench/reactors.ts`. Medians of 5 runs over the same events of users
 * who live with all apps.
 */
import process from "node:process";
import { fold, type State } from "../../shared/domain/fold.ts";
import type { StoredEvent } from "../../shared/domain/events/envelope.ts";
import { recognise } from "../../shared/domain/events/known-event.ts";
import type { Context, Reactor, ReactorEvent } from "../../shared/domain/reactor.ts";
import { journeySteps } from "../../shared/domain/journey-steps.ts";
import { reactors } from "../../shared/domain/reactors/all.ts";
import { defaultSettings } from "../../shared/domain/settings.ts";
import { effectId } from "../../shared/flywheel/effect-id.ts";
import { uuidV5 } from "../../shared/flywheel/uuid.ts";

const users = 200;
const eventsEach = 100;
const runs = 5;
const namespace = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

export interface ReactorCosts {
  /** Events a second of CPU through all reactors, with the catalogue's check of each. */
  events_per_second: number;
  /** Microseconds of CPU an event, of the catalogue's check and of each reactor. */
  microseconds: Record<string, number>;
}

/** Measures every reactor on its own, on what it is given in the fold of all. */
export function benchReactors(): ReactorCosts {
  const streams = Array.from({ length: users }, (_, user) => streamOf(user));
  const events = streams.flat();
  const microseconds: Record<string, number> = {
    catalogue_check: perEvent(() => events.forEach((event) => recognise(event))),
  };
  for (const [name, calls] of callsOf(streams)) {
    const reactor = reactors.find((reactor) => reactor.name === name)!;
    microseconds[name] = perEvent(() =>
      calls.forEach(([state, event, context]) => reactor.react(state, event, context))
    );
  }
  const all = perEvent(() => streams.forEach((stream) => foldAll(reactors, stream)));
  return {
    events_per_second: Math.round(1e6 / all),
    microseconds: { ...microseconds, whole_fold: all },
  };
}

/** A user's life: mostly CV and letters, an exploration now and then, moods, and things of no known type. */
function streamOf(user: number): StoredEvent[] {
  const usual: [event_type: string, app: string, payload: Record<string, unknown>][] = [
    ["cv.generated", "cv", { template_name: "Moderne", ats_score: 87.5, skills_count: 12 }],
    ["letter.generated", "letters", { job_title: "Data Scientist", personalization_score: 0.9 }],
    ["job_offer.analyzed", "letters", { match_score: 0.82, keywords_extracted: ["Python"] }],
    ["mood.logged", "rise", { mood_score: 1 + user % 10, anxiety_level: 0.3 }],
    ["page.read", "website", { path: "/" }],
    ["user.login", "cv", { method: "email_password" }],
  ];
  return Array.from({ length: eventsEach }, (_, index) => {
    const step = journeySteps[Math.floor(index / 8) % 7]!;
    const [event_type, app_source, payload] = index % 8 === 7
      ? [step, "aube", { métier: "Data Scientist", compétences: ["Python", "analyse"] }] as const
      : usual[(user + index) % usual.length]!;
    const at = Date.parse("2025-01-15T09:00:00Z") + index * 3 * 3_600_000;
    return {
      version: index + 1,
      event_id: uuidV5(namespace, `${user} ${index}`),
      event_type,
      app_source,
      payload,
      correlation_id: null,
      timestamp: at,
      received_at: at,
      set_aside: false,
    };
  });
}

function foldAll(reactors: readonly Reactor[], events: readonly StoredEvent[]): State {
  const user_id = uuidV5(namespace, events[0]!.event_id);
  return fold(reactors, {
    user_id,
    state: {},
    settingsAt: () => defaultSettings,
    idOf: (cause, effect) => effectId(user_id, cause, effect),
    events,
    now: events.at(-1)!.received_at,
    attempt: "early",
  }).state;
}

type Call = [state: unknown, event: ReactorEvent, context: Context];

/** Everything that each reactor is told in the fold of all, by its name. */
function callsOf(streams: readonly StoredEvent[][]): Map<string, Call[]> {
  const calls = new Map(reactors.map(({ name }): [string, Call[]] => [name, []]));
  const spies = reactors.map((reactor): Reactor => ({
    ...reactor,
    react(state, event, context) {
      const before: Context = {
        user_id: context.user_id,
        settings: context.settings,
        states: { ...context.states },
        idOf: (effect) => context.idOf(effect),
      };
      calls.get(reactor.name)!.push([state, event, before]);
      return reactor.react(state, event, context);
    },
  }));
  for (const stream of streams) foldAll(spies, stream);
  return calls;
}

/** Microseconds of CPU an event, the median of the runs after one to warm up: whatever else the machine does meanwhile. */
function perEvent(run: () => void): number {
  run();
  const times = Array.from({ length: runs }, () => {
    const before = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(before);
    return user + system;
  }).sort((a, b) => a - b);
  return Math.round(times[runs >> 1]! * 100 / (users * eventsEach)) / 100;
}

if (import.meta.main) {
  const { events_per_second, microseconds } = benchReactors();
  console.log(
    `${events_per_second.toLocaleString("en")} events a second of CPU through all reactors`,
  );
  console.table(
    Object.fromEntries(
      Object.entries(microseconds).map(([name, µs]) => [name, { "µs of CPU an event": µs }]),
    ),
  );
}
