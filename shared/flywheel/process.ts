import { fold, shapeOf } from "../domain/fold.ts";
import type { Reactor } from "../domain/reactor.ts";
import { reactors as everyReactor } from "../domain/reactors/all.ts";
import { type Settings, settingsOver } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";
import type { Log } from "../platform/log.ts";
import { commit, type Result } from "./commit.ts";
import { effectId } from "./effect-id.ts";
import { type Lease, lease, type LeasedStream } from "./lease.ts";

/** What a worker did. */
export interface Processed {
  /** Events folded and committed. */
  processed: number;
  /** Users committed. */
  users: number;
  nudges: number;
  transitions: number;
  /** Events that failed and will be tried again, or were set aside. */
  failed: number;
  duration_ms: number;
}

export interface ProcessOptions {
  log: Log;
  reactors?: readonly Reactor[];
}

/**
 * Works as one worker: leases users, folds their backlog, commits, until nothing is due or its time is over, and then rings for the
 * next. Where enough workers are at work already it does nothing: they will find what there is.
 */
export async function processQueue(
  database: Database,
  { log, reactors = everyReactor }: ProcessOptions,
): Promise<Processed> {
  const startedAt = performance.now();
  const total = { processed: 0, users: 0, nudges: 0, transitions: 0, failed: 0 };
  const slot = await enter(database);
  if (slot) {
    const until = startedAt + slot.work_budget_ms;
    try {
      await drain(database, reactors, { until, lingerMs: slot.linger_ms, total, log });
    } finally {
      await database`select flywheel.leave(${slot.token}, ${total.processed})`;
    }
  }
  return { ...total, duration_ms: Math.round(performance.now() - startedAt) };
}

interface Slot {
  token: string;
  work_budget_ms: number;
  linger_ms: number;
}

async function enter(database: Database): Promise<Slot | null> {
  const [row] = await database<{ enter: Slot | null }[]>`select flywheel.enter()`;
  return row?.enter ?? null;
}

async function drain(
  database: Database,
  reactors: readonly Reactor[],
  { until, lingerMs, total, log }: {
    until: number;
    lingerMs: number;
    total: Omit<Processed, "duration_ms">;
    log: Log;
  },
): Promise<void> {
  const shape = shapeOf(reactors);
  let idleSince: number | undefined;
  while (performance.now() < until) {
    const leased = await lease(database, shape);
    if (!leased) {
      // A ring that came too soon after another was left out: who lingers answers it.
      idleSince ??= performance.now();
      if (performance.now() - idleSince >= lingerMs) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(25, lingerMs)));
      continue;
    }
    idleSince = undefined;
    await work(database, reactors, shape, leased, total, log);
  }
}

async function work(
  database: Database,
  reactors: readonly Reactor[],
  shape: string,
  leased: Lease,
  total: Omit<Processed, "duration_ms">,
  log: Log,
): Promise<void> {
  const settingsAt = settingsOver(leased.settings);
  const results = leased.streams.map((stream) => foldStream(reactors, leased, settingsAt, stream));
  const committed = await commit(database, leased.token, shape, results);
  if (committed.users.length < results.length) {
    log("warn", "leases had ended before the commit", {
      users: results.length - committed.users.length,
    });
  }
  const users = new Set(committed.users);
  total.users += users.size;
  total.nudges += committed.nudges;
  results.forEach(({ user_id, version, folded }, index) => {
    if (!users.has(user_id)) return;
    total.processed += version - leased.streams[index]!.version;
    total.failed += folded.setAside.filter(({ error }) => error !== undefined).length;
    if (folded.failure !== undefined) {
      total.failed++;
      log("warn", "an event failed", { version: version + 1, reason: folded.failure });
    }
  });
}

function foldStream(
  reactors: readonly Reactor[],
  { leased_at, max_attempts }: Lease,
  settingsAt: (time: number) => Settings,
  { user_id, attempts, version, state, behind, events }: LeasedStream,
): Result {
  const folded = fold(reactors, {
    user_id,
    state,
    settingsAt,
    idOf: (cause, effect) => effectId(user_id, cause, effect),
    events,
    now: events.length === behind ? leased_at : undefined,
    attempt: attempts < max_attempts ? "early" : attempts === max_attempts ? "last" : "beyond",
  });
  return { user_id, version: folded.version ?? version, folded };
}
