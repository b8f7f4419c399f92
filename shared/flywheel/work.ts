import type { Effect } from "../domain/effect.ts";
import { type Cause, fold, shapeOf } from "../domain/fold.ts";
import type { Reactor } from "../domain/reactor.ts";
import { counting } from "../domain/rollups/count.ts";
import { type Database, isAnswer, wasStopped } from "../platform/database.ts";
import { commit, type Committed, Draft, type Result, Unwritable } from "./commit.ts";
import { effectId } from "./effect-id.ts";
import { foldAhead } from "./fold-ahead.ts";
import { type Lease, type LeasedStream, readStream } from "./lease.ts";

/** The versions of what a state is made of: what the reactors remember, and what counting does. */
export function shapeOfWork(reactors: readonly Reactor[]): string {
  return `${shapeOf(reactors)} ${counting.name}@${counting.version}`;
}

/** What became of a lease. */
export interface Worked {
  /** As the streams were folded last; of these only the users in `committed` were written. */
  outcomes: Outcome[];
  committed: Committed;
}

/** What became of one stream, in short. */
export interface Outcome {
  user_id: string;
  /** The last version folded, and how many events it is beyond where the lease began. */
  version: number;
  processed: number;
  /** How many events were set aside. */
  setAside: number;
  /** Why timers were set aside. */
  timersSetAside: readonly string[];
  /** Why folding stopped before the last event. */
  failure: string | undefined;
}

/** What is called while {@link work} works. */
export interface WorkCalls {
  /** Between two streams: for what a long fold has to do meanwhile. */
  between?: () => Promise<void>;
  /** When all is folded and nothing is committed yet: for what can be done beside the commit. */
  folded?: () => void;
  /** What was committed, whatever becomes of the rest. */
  committed?: (worked: Worked) => void;
}

/**
 * How many events may have to be counted from the log, because some are late, before a commit takes no further users; a user with more
 * is committed alone. Counting takes its time, and meanwhile the streams of all who are committed are locked.
 */
const longHistory = 10_000;

/**
 * Folds a lease's streams and commits what came of it.
 *
 * @param shape the versions of the reactors, as {@link shapeOfWork} writes them
 * @throws what the database says where that is nobody's fault; what was committed before it stays
 */
export async function work(
  database: Database,
  reactors: readonly Reactor[],
  shape: string,
  leased: Lease,
  { between, folded, committed }: WorkCalls = {},
): Promise<Worked> {
  let together = newPart();
  const parts = [together];
  for (const text of leased.streams) {
    await between?.();
    const stream = readStream(text);
    const result = foldStream(reactors, leased, stream);
    const isLong = result.version > longHistory;
    if (!isLong && (together.draft?.uncounted ?? 0) > longHistory) parts.push(together = newPart());
    const part = isLong ? newPart() : together;
    if (isLong) parts.push(part);
    add(part, text, stream, result);
  }
  folded?.();
  const worked: Worked[] = [];
  for (const part of parts.filter(({ texts }) => texts.length > 0)) {
    if (worked.length > 0) await between?.();
    for (const each of await commitPart(database, reactors, shape, leased, part, between)) {
      worked.push(each);
      committed?.(each);
    }
  }
  return {
    outcomes: worked.flatMap(({ outcomes }) => outcomes),
    committed: {
      users: worked.flatMap(({ committed }) => committed.users),
      overtaken: worked.reduce((sum, { committed }) => sum + committed.overtaken, 0),
      nudges: worked.reduce((sum, { committed }) => sum + committed.nudges, 0),
      transitions: worked.reduce((sum, { committed }) => sum + committed.transitions, 0),
    },
  };
}

/** Streams that are committed together. */
interface Part {
  readonly texts: string[];
  readonly outcomes: Outcome[];
  /** Undefined where somebody's outcome cannot be written. */
  draft: Draft | undefined;
}

function newPart(): Part {
  return { texts: [], outcomes: [], draft: new Draft() };
}

function add(part: Part, text: string, stream: LeasedStream, result: Result): void {
  part.texts.push(text);
  part.outcomes.push(outcomeOf(stream, result));
  try {
    part.draft?.add(result);
  } catch (error) {
    if (!(error instanceof Unwritable)) throw error;
    part.draft = undefined;
  }
}

async function commitPart(
  database: Database,
  reactors: readonly Reactor[],
  shape: string,
  leased: Lease,
  { texts, outcomes, draft }: Part,
  between: WorkCalls["between"],
): Promise<Worked[]> {
  try {
    if (draft) {
      const { held, ...committed } = await commit(database, leased, shape, draft);
      if (held.length === 0) return [{ outcomes, committed }];
      const others = newPart();
      for (const text of texts) {
        const stream = readStream(text);
        if (!held.includes(stream.user_id)) continue;
        add(others, text, stream, foldStream(reactors, leased, stream));
      }
      return [
        { outcomes: outcomes.filter(({ user_id }) => !held.includes(user_id)), committed },
        ...await commitPart(database, reactors, shape, leased, others, between),
      ];
    }
  } catch (error) {
    // Where one user is alone it may be their fault, whatever the database says; where there are several, only for an outcome that
    // cannot be written is each tried alone.
    if (!(error instanceof Unwritable || (texts.length === 1 && isVerdict(error)))) throw error;
  }
  // Somebody's outcome cannot be written: each alone then, so that nobody else suffers for it.
  const alone: Worked[] = [];
  for (const text of texts) {
    await between?.();
    alone.push(await workAlone(database, reactors, shape, leased, readStream(text)));
  }
  return alone;
}

/** Whether the database says that what it was told cannot be written. That a statement was stopped says nothing of what is in it. */
function isVerdict(error: unknown): error is Error {
  return error instanceof Unwritable || (isAnswer(error) && !wasStopped(error));
}

/**
 * Folds one stream with care; where that is refused, just its first event; and where that is refused as well, commits that this event
 * has failed.
 *
 * @throws what the database says where even that is refused: then it is not the event that is to blame
 */
async function workAlone(
  database: Database,
  reactors: readonly Reactor[],
  shape: string,
  leased: Lease,
  stream: LeasedStream,
): Promise<Worked> {
  const commitAlone = async (result: Result): Promise<Worked> => {
    const { held: _, ...committed } = await commit(
      database,
      leased,
      shape,
      new Draft().add(result),
    );
    return { committed, outcomes: [outcomeOf(stream, result)] };
  };
  let refusal: Error | undefined;
  for (const count of [stream.events.length, 1]) {
    const part = { ...stream, events: stream.events.slice(0, count) };
    try {
      return await commitAlone(foldStream(reactors, leased, part, true));
    } catch (error) {
      if (!isVerdict(error)) throw error;
      refusal = error;
    }
  }
  return await commitAlone(failed(reactors, leased, stream, refusal!.message));
}

function outcomeOf({ version: before }: LeasedStream, result: Result): Outcome {
  const { user_id, version, folded: { setAside, timersSetAside, failure } } = result;
  return {
    user_id,
    version,
    processed: version - before,
    setAside: setAside.filter(({ error }) => error !== undefined).length,
    timersSetAside,
    failure,
  };
}

function foldStream(
  reactors: readonly Reactor[],
  lease: Lease,
  stream: LeasedStream,
  careful = false,
): Result {
  const { user_id, attempts, version, state, behind, events, is_uncounted } = stream;
  // Nothing that appends leaves such a stream. Should one be there all the same, nobody must be busy with it for ever.
  if (behind > 0 && events.length === 0) {
    return failed(reactors, lease, stream, "the log does not have the stream's next event");
  }
  const isWhole = events.length === behind;
  const context = contextOf(lease, user_id);
  const folded = fold(reactors, {
    ...context,
    state,
    events,
    now: isWhole ? nowOf(lease) : undefined,
    attempt: attempts < lease.max_attempts
      ? "early"
      : attempts === lease.max_attempts
      ? "last"
      : "beyond",
    careful,
  });
  if (isWhole && attempts === 1 && !careful) {
    const ahead = foldAhead(reactors, context, stream, folded, lease.leased_at);
    if (ahead) return { user_id, is_uncounted, ...ahead };
  }
  return { user_id, version: folded.version ?? version, folded, events, ahead: 0, is_uncounted };
}

/** A stream as it was, but for the first event's failure. */
function failed(
  reactors: readonly Reactor[],
  lease: Lease,
  { user_id, attempts, version, state, events, is_uncounted }: LeasedStream,
  reason: string,
): Result {
  const folded = fold(reactors, {
    ...contextOf(lease, user_id),
    state,
    events: [],
    now: undefined,
    attempt: "early",
  });
  const [first] = events;
  const outcome = !first || attempts < lease.max_attempts
    ? { version, folded: { ...folded, failure: reason } }
    : {
      version: first.version,
      folded: { ...folded, setAside: [{ version: first.version, error: reason }] },
    };
  return { user_id, ...outcome, events, ahead: 0, is_uncounted };
}

/** Until when timers have come due, milliseconds since 1970. */
function nowOf({ leased_at }: Lease): number {
  return Math.floor(leased_at / 1000);
}

function contextOf({ settingsAt }: Lease, user_id: string) {
  return {
    user_id,
    settingsAt,
    idOf: (cause: Cause, effect: Effect) => effectId(user_id, cause, effect),
  };
}
