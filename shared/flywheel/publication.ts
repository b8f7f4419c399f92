import { Buffer } from "node:buffer";
import { checkPayload } from "../domain/events/catalogue.ts";
import type { Issue } from "../domain/events/issue.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import { countUsersInOrder, type PlainEvents, plainEvents } from "../domain/events/plain-event.ts";
import { isObject } from "../domain/is-object.ts";
import type { Database } from "../platform/database.ts";

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

/** A publication on its way. */
export interface Sending {
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
  /** Whether it says more than its events, such as which version it expects. */
  saysMore: boolean;
}

/** Reads a body of any form as what is to be published. */
export function readSending(
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
    saysMore,
  };
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

/**
 * Publishes one by itself.
 *
 * @throws PostgresError PT400, PT409, PT413 where it is refused whole
 */
export async function publishOne(database: Database, sending: Sending): Promise<Publication> {
  const [timely] = await publishTimely(database, [sending]) ?? [];
  if (timely) return timely;
  const { text, publisher, refused } = sending;
  const [row] = await database<{ publish: Publication }[]>`
    select flywheel.publish(${text}, ${publisher}, ${JSON.stringify(refused)}::text::jsonb)
  `;
  return row!.publish;
}

/**
 * Publishes several in one transaction.
 *
 * @returns what became of each, in their order
 * @throws PostgresError where one of them is refused whole; then nothing is published
 */
export async function publishTogether(
  database: Database,
  together: readonly Sending[],
): Promise<Publication[]> {
  return await publishTimely(database, together) ?? await publishMixed(database, together);
}

async function publishMixed(
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
