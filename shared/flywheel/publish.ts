import { setImmediate } from "node:timers";
import { type Database, isAnswer } from "../platform/database.ts";
import {
  type Publication,
  publishOne,
  publishTogether,
  readSending,
  type Sending,
} from "./publication.ts";

/**
 * Publishes one event, a list of events, or `{ events, expected_version? }`. Payloads are checked against the catalogue here, envelopes
 * by the database, unless one look says that they are fine.
 *
 * @param body the same body as text and as it reads; the text is what is stored, so that no digit of a number is lost
 * @param publisher the user who publishes; undefined for a secret key, with which each event names its user
 * @throws PostgresError PT400, PT409, PT413 for a body that is refused whole
 */
export type Publish = (
  body: { text: string; value: unknown },
  publisher: string | undefined,
) => Promise<Publication>;

/**
 * How many transactions with small publications there are at once: one that the database works at, and one that waits for the disk or
 * is on its way. With more, each would carry less.
 */
const mostAtOnce = 2;
/**
 * Milliseconds after which a transaction most likely waits for a locked stream, so that another may begin beside it. While anything
 * waits, that is looked at as often: so the other begins after twice that time at the latest.
 */
const patience = 100;
/** How many characters travel together even where another transaction may begin: to begin one costs more than they do. */
const fewText = 2_048;
/** How many characters travel together once no other transaction may begin. */
const sharedText = 131_072;
/** How many characters a body may have that waits for others. */
const smallText = 16_384;

/**
 * A publisher for one instance of a function. Small publications that come in the same turn of the event loop, or while others are
 * under way, travel together: in one transaction, which takes little longer than each of them would take alone.
 * Each is answered as if it had travelled alone, and what one of them does wrong is its own business.
 */
export function createPublisher(database: Database): Publish {
  const waiting: Waiting[] = [];
  const shared = new Set<UnderWay>();
  const alone = new Set<UnderWay>();
  let turn: ReturnType<typeof setImmediate> | undefined;
  let reminder: ReturnType<typeof setTimeout> | undefined;

  /** What waits for somebody's locked stream, most likely. More of the same users would take further connections, and wait as well. */
  function heldUp(): UnderWay[] {
    return [...shared, ...alone].filter(isSlow);
  }

  /** Whether a transaction may begin beside those under way, and so many others. */
  function mayBegin(others = 0): boolean {
    let quick = others;
    for (const each of shared) if (!isSlow(each)) quick++;
    return shared.size + others < database.options.max && quick < mostAtOnce;
  }

  function sendWaiting(): void {
    const busy = new Set(heldUp().flatMap(usersOf));
    while (waiting.length > 0 && mayBegin()) {
      const together = takeTogether(waiting, mayBegin(1) ? fewText : sharedText, busy);
      if (together.length === 0) break;
      void carry(shared, together, () => send(database, together));
    }
    if (waiting.length > 0) {
      reminder ??= setTimeout(() => {
        reminder = undefined;
        sendWaiting();
      }, patience);
    }
  }

  async function sendAlone(sending: Sending): Promise<Publication> {
    const users = new Set(sending.users());
    // Two of the same users would only wait for each other, with a connection each.
    const inTheWay = () =>
      [...heldUp(), ...alone].find((each) => usersOf(each).some((user) => users.has(user)));
    for (let before = inTheWay(); before; before = inTheWay()) await before.done;
    return await carry(alone, [sending], () => publishOne(database, sending));
  }

  async function carry<Answer>(
    underWay: Set<UnderWay>,
    together: readonly Sending[],
    act: () => Promise<Answer>,
  ): Promise<Answer> {
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const one = { since: performance.now(), together, done };
    underWay.add(one);
    try {
      return await act();
    } finally {
      underWay.delete(one);
      resolve();
      sendWaiting();
    }
  }

  return (body, publisher) => {
    const sending = readSending(body, publisher);
    if (!mayTravelWithOthers(sending)) return sendAlone(sending);
    const { promise, resolve, reject } = Promise.withResolvers<Publication>();
    waiting.push({ ...sending, resolve, reject });
    turn ??= setImmediate(() => {
      turn = undefined;
      sendWaiting();
    });
    return promise;
  };
}

/** A transaction that is under way. */
interface UnderWay {
  readonly since: number;
  readonly together: readonly Sending[];
  /** Resolved when it is over, however it ended. */
  readonly done: Promise<void>;
}

function isSlow({ since }: UnderWay): boolean {
  return performance.now() - since >= patience;
}

function usersOf({ together }: UnderWay): string[] {
  return together.flatMap(({ users }) => users());
}

/** Whether it is small, and never refused whole for what others have published: then all that travel along would be tried again. */
function mayTravelWithOthers({ text, events, saysMore }: Sending): boolean {
  return events > 0 && text.length <= smallText && !saysMore;
}

interface Waiting extends Sending {
  resolve(publication: Publication): void;
  reject(error: unknown): void;
}

/**
 * Takes the first publication without a busy user and, up to so many characters, those right behind it that may travel along: plain
 * ones with plain ones. Takes none where each has a busy user.
 *
 * @param waiting what is taken is removed from it
 * @param busy the ids of users whose streams are most likely locked
 */
function takeTogether(
  waiting: Waiting[],
  limit: number,
  busy: ReadonlySet<string>,
): Waiting[] {
  const isFree = ({ users }: Waiting) => busy.size === 0 || !users().some((user) => busy.has(user));
  const first = waiting.findIndex(isFree);
  if (first < 0) return [];
  const isPlain = waiting[first]!.plain !== undefined;
  let length = 0;
  const beyond = waiting.findIndex((each, place) => {
    if (place < first) return false;
    length += each.text.length;
    return place > first &&
      (length > limit || (each.plain !== undefined) !== isPlain || !isFree(each));
  });
  return waiting.splice(first, beyond < 0 ? waiting.length : beyond - first);
}

/** Never rejects: each publication is told by itself. */
async function send(database: Database, together: readonly Waiting[]): Promise<void> {
  if (together.length > 1) {
    try {
      const publications = await publishTogether(database, together);
      together.forEach(({ resolve }, index) => resolve(publications[index]!));
      return;
    } catch (error) {
      if (!isAnswer(error)) return together.forEach(({ reject }) => reject(error));
      // The database has refused them all, perhaps because of a single one.
    }
  }
  // One after the other: what needs a closer look takes longer, and what came after it must not overtake it.
  for (const one of together) {
    await publishOne(database, one).then(one.resolve, one.reject);
  }
}
