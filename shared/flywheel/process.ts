import { setImmediate } from "node:timers";
import type { Reactor } from "../domain/reactor.ts";
import { reactors as everyReactor } from "../domain/reactors/all.ts";
import type { Database } from "../platform/database.ts";
import type { Log } from "../platform/log.ts";
import { type Lease, lease } from "./lease.ts";
import { shapeOfWork, work, type Worked } from "./work.ts";

/** What a worker did. */
export interface Processed {
  /** Events folded and committed. */
  processed: number;
  /** Users committed: who was committed twice counts twice. */
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
  /** Carries what the commits put into the outbox, beside the work and at its end. Never rejects. */
  deliver?: () => Promise<void>;
  /** How many workers share the connections: one object for all calls of an instance. */
  instance?: { workers: number };
}

/**
 * Works as one worker: leases users, folds their backlog, commits, until nothing is due or it has worked as long, or as much, as the
 * settings allow, and then rings for the next if it may leave work behind. Where enough workers are at work already it only delivers: they
 * will find what there is. Enough are as many as the settings say or, in one instance, as half of its connections: a commit may have to
 * wait for a lock, and the instance's callers must not.
 *
 * @throws what the database says where it cannot be asked, or cannot write what was folded; what was leased is put off then
 */
export async function processQueue(
  database: Database,
  {
    log,
    reactors = everyReactor,
    deliver = () => Promise.resolve(),
    instance = { workers: 0 },
  }: ProcessOptions,
): Promise<Processed> {
  const startedAt = performance.now();
  void deliver();
  const total = { processed: 0, users: 0, nudges: 0, transitions: 0, failed: 0 };
  instance.workers++;
  let slot: Slot | null = null;
  let handsOn = false;
  try {
    if (instance.workers <= database.options.max / 2) slot = await enter(database);
    if (slot) {
      const { work_budget_ms, work_events } = slot;
      const until = performance.now() + work_budget_ms;
      const mayGoOn = () => performance.now() < until && total.processed < work_events;
      handsOn = await drain(database, reactors, { slot, mayGoOn, total, log, deliver });
    }
  } finally {
    // Before it looks whether it leaves work behind: who is rung for what comes afterwards finds room.
    instance.workers--;
    if (slot) await database`select flywheel.leave(${slot.token}, ${total.processed}, ${handsOn})`;
  }
  await deliver();
  return { ...total, duration_ms: Math.round(performance.now() - startedAt) };
}

interface Slot {
  token: string;
  work_budget_ms: number;
  work_events: number;
  linger_ms: number;
  lease_ms: number;
}

/** For how many milliseconds increments of the rollups may pile up before they are merged: until then they slow analysts down a little. */
const tidyEveryMs = 1000;

/** How many pieces of them are merged at once, at most: more than one worker commits in that time, and little beside the work. */
const mostMerges = 16;

/** For how many milliseconds a worker folds before it lets the other calls of its instance go on. */
const breatheEveryMs = 10;

type Total = Omit<Processed, "duration_ms">;

async function enter(database: Database): Promise<Slot | null> {
  const [row] = await database<{ enter: Slot | null }[]>`select flywheel.enter()`;
  return row?.enter ?? null;
}

/** @returns whether it hands on, since it has worked as long or as much as it may */
async function drain(
  database: Database,
  reactors: readonly Reactor[],
  { slot, mayGoOn, total, log, deliver }: {
    slot: Slot;
    mayGoOn: () => boolean;
    total: Total;
    log: Log;
    deliver: () => Promise<void>;
  },
): Promise<boolean> {
  const shape = shapeOfWork(reactors);
  // While there is always something due, nobody comes to tend what can wait.
  const tidy = atMostEvery(tidyEveryMs, async () => {
    await mergeRollups(database);
    await database`select flywheel.mend_waits(), flywheel.prune()`;
  });
  let idleSince: number | undefined;
  let leased: Lease | undefined;
  let next: Promise<Lease | undefined> | undefined;
  try {
    while (next || mayGoOn()) {
      const wasAhead = next !== undefined;
      leased = await (next ?? lease(database, shape));
      next = undefined;
      if (leased) {
        idleSince = undefined;
        await workOn(leased);
        await tidy();
        continue;
      }
      // Nothing was due before the last commit, which may have left something.
      if (wasAhead) continue;
      if (idleSince === undefined && await tend(database)) continue;
      // A ring too soon after another is left out: a worker that lingers makes up for it.
      idleSince ??= performance.now();
      if (performance.now() - idleSince >= slot.linger_ms) return false;
      await new Promise((resolve) => setTimeout(resolve, Math.min(25, slot.linger_ms)));
    }
    return true;
  } catch (error) {
    await postpone(database, leased);
    await postpone(database, next);
    throw error;
  }

  async function workOn(leased: Lease): Promise<void> {
    if (leased.settingsFlaw !== undefined) {
      log("warn", "reactor_settings are refused: those before them count", {
        flaw: leased.settingsFlaw,
      });
    }
    const extend = atMostEvery(slot.lease_ms / 3, () => extendLease(database, leased));
    const breathe = atMostEvery(
      breatheEveryMs,
      () => new Promise((resolve) => setImmediate(resolve)),
    );
    await work(database, reactors, shape, leased, {
      async between() {
        await breathe();
        await extend();
      },
      // The database looks for more while it writes what there was.
      folded() {
        if (!mayGoOn()) return;
        next = lease(database, shape);
        next.catch(() => {});
      },
      committed(worked) {
        account(worked, total, log);
        if (worked.committed.transitions > 0) void deliver();
      },
    });
  }
}

/** Does something when it is called, if it has not been done for a while. */
function atMostEvery(ms: number, act: () => Promise<unknown>): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < ms) return;
    last = performance.now();
    await act();
  };
}

/** Gives a lease another lease time. Users whom it no longer holds are refused by the commit. */
async function extendLease(database: Database, { token, users }: Lease): Promise<void> {
  await database`select flywheel.extend(${token}, ${users})`;
}

/** Says of a lease that its worker lives, but could not commit. Users who were committed are no longer part of it. */
async function postpone(
  database: Database,
  leased: Lease | Promise<Lease | undefined> | undefined,
): Promise<void> {
  try {
    const held = await leased;
    if (held) await database`select flywheel.postpone(${held.token}, ${held.users})`;
  } catch {
    // There was no lease, or it ends by itself.
  }
}

async function mergeRollups(database: Database): Promise<void> {
  for (let merges = 0; merges < mostMerges; merges++) {
    const [row] = await database<{ merged: number }[]>`select flywheel.merge_rollups() as merged`;
    if (row!.merged === 0) return;
  }
}

/** Does a piece of what can wait until nothing is due: @returns whether there may be more of it */
async function tend(database: Database): Promise<boolean> {
  const [row] = await database<{ tend: boolean }[]>`select flywheel.tend()`;
  return row!.tend;
}

function account({ outcomes, committed }: Worked, total: Total, log: Log): void {
  const lost = outcomes.length - committed.users.length - committed.overtaken;
  if (lost > 0) log("warn", "leases had ended before the commit", { users: lost });
  const users = new Set(committed.users);
  total.users += users.size;
  total.nudges += committed.nudges;
  total.transitions += committed.transitions;
  for (const { user_id, version, processed, setAside, timersSetAside, failure } of outcomes) {
    if (!users.has(user_id)) continue;
    total.processed += processed;
    total.failed += setAside;
    if (failure !== undefined) {
      total.failed++;
      log("warn", "an event or a timer failed", { version: version + 1, reason: failure });
    }
    for (const reason of timersSetAside) log("error", "a timer was set aside", { reason });
  }
}
