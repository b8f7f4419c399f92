import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import { checkPayload } from "../domain/events/catalogue.ts";
import type { Issue } from "../domain/events/issue.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import { countUsersInOrder, type PlainEvents, plainEvents } from "../domain/events/plain-event.ts";
import { isObject } from "../domain/is-object.ts";
import { type Database, isAnswer } from "../platform/database.ts";

/** What became of a publication; the results stand in the order sent. */
export interface Publication {
  accepted: number;
  duplicates: number;
  rejected: number;
  results: {
    event_id: string | null;
    status: "accepted" | "duplicate" | "rejected";
    error?: { code: string; message: string; issues?: Issue[] };
  }[];
}

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
    if (!sending.mayTravelWithOthers) return sendAlone(sending);
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

/** A publication on its way. */
interface Sending {
  /** The body as it was sent. */
  text: string;
  /** How many bytes it was sent in. */
  bytes: number;
  publisher: string | null;
  /** Whose events it holds, as far as they can be told. */
  users: () => string[];
  /** How many events it holds. */
  events: number;
  /** Its events, where one look says that they are fine. */
  plain: PlainEvents | undefined;
  /** What the catalogue finds wrong, by the event's place. */
  refused: Record<number, Issue[]>;
  mayTravelWithOthers: boolean;
}

interface Waiting extends Sending {
  resolve(publication: Publication): void;
  reject(error: unknown): void;
}

function readSending(
  { text, value }: { text: string; value: unknown },
  publisher: string | undefined,
): Sending {
  // A field that is null is one that is left out.
  const isWrapped = isObject(value) && value.events !== undefined && value.events !== null;
  const events = isWrapped ? value.events : isObject(value) ? [value] : value;
  const isList = Array.isArray(events);
  const saysMore = isWrapped &&
    Object.entries(value).some(([field, each]) => field !== "events" && each !== null);
  const plain = isList && events.length > 0 && !saysMore
    ? plainEvents(text, events, publisher, () => crypto.randomUUID())
    : undefined;
  return {
    text: text || "{}",
    bytes: Buffer.byteLength(text),
    publisher: publisher ?? null,
    users: () =>
      publisher !== undefined
        ? [publisher]
        : plain
        ? plain.events.map(([user]) => user)
        : isList
        ? events.map((each) => isObject(each) ? String(each.user_id).toLowerCase() : "")
        : [],
    events: isList ? events.length : 0,
    plain,
    refused: isList && !plain ? refusedPayloads(events) : {},
    // A publication that is refused whole, as one that expects a version may be, would have all others tried again.
    mayTravelWithOthers: isList && events.length > 0 && text.length <= smallText && !saysMore,
  };
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
      const publications = await publishTimely(database, together) ??
        await publishTogether(database, together);
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

/**
 * Publishes what is plain, and later than all that the log has of these users: most of what apps send, as they send it. Then neither
 * the envelopes nor possible repetitions need a look.
 *
 * @returns undefined, with nothing published, where it is otherwise
 */
async function publishTimely(
  database: Database,
  together: readonly Sending[],
): Promise<Publication[] | undefined> {
  if (together.some(({ plain }) => !plain)) return undefined;
  const users = countUsersInOrder(together.flatMap(({ plain }) => plain!.events));
  if (users === undefined) return undefined;
  const list = `[${together.map(({ plain }) => plain!.text).join(",")}]`;
  const largest = Math.max(...together.map(({ bytes }) => bytes));
  const [row] = await (users > 1
    ? database<{ published: boolean }[]>`
        select flywheel.publish_timely_streams(${list}, ${largest}) as published
      `
    : database<{ published: boolean }[]>`
        select flywheel.publish_timely(${list}, ${largest}) as published
      `);
  return row!.published ? together.map(({ plain }) => acceptedAll(plain!)) : undefined;
}

function acceptedAll({ events }: PlainEvents): Publication {
  return {
    accepted: events.length,
    duplicates: 0,
    rejected: 0,
    results: events.map(([, event_id]) => ({ event_id, status: "accepted" })),
  };
}

async function publishOne(database: Database, sending: Sending): Promise<Publication> {
  const [timely] = await publishTimely(database, [sending]) ?? [];
  if (timely) return timely;
  const { text, publisher, refused } = sending;
  const [row] = await database<{ publish: Publication }[]>`
    select flywheel.publish(${text}, ${publisher}, ${JSON.stringify(refused)}::text::jsonb)
  `;
  return row!.publish;
}

async function publishTogether(
  database: Database,
  together: readonly Sending[],
): Promise<Publication[]> {
  const refused: Record<number, Issue[]> = {};
  let first = 0;
  for (const each of together) {
    for (const [place, issues] of Object.entries(each.refused)) {
      refused[first + Number(place)] = issues;
    }
    first += each.events;
  }
  const [row] = await database<{ publications: Publication[] }[]>`
    select flywheel.publish_together(
      ${`[${together.map(({ text }) => text).join(",")}]`},
      ${together.map(({ bytes }) => String(bytes))}::text[]::integer[],
      ${together.map(({ publisher }) => publisher)},
      ${JSON.stringify(refused)}::text::jsonb
    ) as publications
  `;
  return row!.publications;
}

/** What the catalogue finds wrong, by the event's place in the batch. What has no payload of a type is for the envelope's rules. */
function refusedPayloads(events: readonly unknown[]): Record<number, Issue[]> {
  return Object.fromEntries(
    events.flatMap((event, index) => {
      const { event_type, payload } = readEnvelope(event);
      if (typeof event_type !== "string" || !isObject(payload)) return [];
      const check = checkPayload(event_type, payload);
      return check.ok ? [] : [[index, check.issues]];
    }),
  );
}

/** An event's type and payload, under either name, whatever Unicode form the names have. */
function readEnvelope(event: unknown): { event_type?: unknown; payload?: unknown } {
  if (!isObject(event)) return {};
  return {
    event_type: typeof event.event_type === "string" ? normaliseText(event.event_type) : undefined,
    payload: event.payload ?? event.data ?? {},
  };
}
