import { slugOf } from "../apps.ts";
import { isObject } from "../is-object.ts";
import { checkStoredPayload } from "./catalogue.ts";
import { normaliseText } from "./normalise.ts";

/**
 * An event that a publisher sent, of which one look says that its envelope and payload are fine and canonical: as
 * `flywheel.publish_timely()` takes it, without the names of the fields, which take long to read.
 */
export type PlainEvent = [
  /** In lower case, as `event_id`. */
  user_id: string,
  /** The publisher's, or a new one. */
  event_id: string,
  event_type: string,
  app_source: string,
  payload: Record<string, unknown>,
  /** ISO 8601 with milliseconds, in UTC: in order of time as texts. */
  timestamp: string,
  metadata?: Record<string, unknown>,
  correlation_id?: unknown,
  causation_id?: unknown,
  session_id?: unknown,
];

/** A publication of nothing but plain events. */
export interface PlainEvents {
  events: readonly PlainEvent[];
  /** All of them as JSON, with commas between. */
  text: string;
}

/**
 * Looks once at what is published, and knows what nearly every client sends. What may be published is for `flywheel.envelope_issues()`
 * to say: an event that is not plain may be fine all the same.
 *
 * @param text the JSON that was sent
 * @param events the events as they read in it
 * @param publisher the user who publishes; undefined for a secret key
 * @param newId makes the id of an event that comes without one
 * @returns undefined where one of them is not plain
 */
export function plainEvents(
  text: string,
  events: readonly unknown[],
  publisher: string | undefined,
  newId: () => string,
): PlainEvents | undefined {
  if (delicateNumber.test(text) || strangeEscape.test(text)) return undefined;
  const plain: PlainEvent[] = [];
  for (const event of events) {
    const one = plainEvent(event, publisher, newId);
    if (!one) return undefined;
    plain.push(one);
  }
  const written = JSON.stringify(plain);
  return normaliseText(written) === written
    ? { events: plain, text: written.slice(1, -1) }
    : undefined;
}

/**
 * How many users' events these are.
 *
 * @returns undefined where an event is not later than the one before of its user, and so may be the same
 */
export function countUsersInOrder(events: Iterable<PlainEvent>): number | undefined {
  const latest = new Map<string, string>();
  for (const [user_id, , , , , timestamp] of events) {
    if (timestamp <= (latest.get(user_id) ?? "")) return undefined;
    latest.set(user_id, timestamp);
  }
  return latest.size;
}

/** NUL or half a pair, as an escape: the database refuses it in either of two like keys' values, where JavaScript sees the last alone. */
const strangeEscape = /\\u(?:0000|[dD][89a-fA-F])/;

/** A number that a double may not hold as it was written: with an exponent, or of sixteen digits. */
const delicateNumber = /[ \t\n\r:,[]-?[0-9](?:[0-9.]*[eE]|[0-9.]{15})/;

const fields: ReadonlySet<string> = new Set([
  "user_id",
  "event_id",
  "event_type",
  "app_source",
  "source_app",
  "payload",
  "data",
  "metadata",
  "correlation_id",
  "causation_id",
  "session_id",
  "timestamp",
  "partition_key",
]);
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
// Of all letters those that French and its neighbours write.
const type = /^[\wÀ-ÖØ-öø-ſ]+(?:\.[\wÀ-ÖØ-öø-ſ]+)*$/;
const slug = /^[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*$/;
const time =
  /^(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

function plainEvent(
  event: unknown,
  publisher: string | undefined,
  newId: () => string,
): PlainEvent | undefined {
  if (!isObject(event)) return undefined;
  for (const field in event) if (!fields.has(field)) return undefined;
  const {
    user_id = publisher,
    event_type,
    source_app,
    app_source = source_app,
    data,
    payload = data ?? {},
    metadata,
    correlation_id,
    causation_id,
    session_id,
    timestamp,
  } = event;
  const event_id = event.event_id ?? newId();
  if (
    !isText(user_id, uuid) || !isText(event_id, uuid) || !isTime(timestamp) ||
    !isText(event_type, type) || event_type.length > 100 || !isText(app_source, slug) ||
    !isReference(correlation_id) || !isReference(causation_id) || !isReference(session_id)
  ) return undefined;
  const owner = user_id.toLowerCase();
  const id = event_id.toLowerCase();
  const app = slugOf(app_source);
  if (
    owner !== (publisher ?? owner) || app === "flywheel" || app.length > 50 || !slug.test(app) ||
    // Which of the two counts where there are both?
    (source_app !== undefined && app_source !== source_app) ||
    (data !== undefined && payload !== data) ||
    // No deeper than the smallest max_json_depth allows.
    !isObject(payload) || nests(payload, 3) ||
    (metadata !== undefined && (!isObject(metadata) || nests(metadata, 3))) ||
    !checkStoredPayload(event_type, payload).ok
  ) return undefined;
  const plain: PlainEvent = [owner, id, event_type, app, payload, timestamp];
  // Left empty they refer to nothing.
  const references = [correlation_id || null, causation_id || null, session_id || null];
  if (metadata || references.some((reference) => reference !== null)) {
    plain.push(metadata ?? {}, ...references);
  }
  return plain;
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

function isTime(value: unknown): value is string {
  if (!isText(value, time)) return false;
  const day = value.slice(8, 10);
  return day <= "28" || new Date(value).getUTCDate() === Number(day);
}

function isReference(value: unknown): boolean {
  return value === undefined || value === null ||
    (typeof value === "string" && value.length <= 200);
}

/** Whether a list or an object has others in it, more than so many levels deep. */
function nests(value: unknown, levels: number): boolean {
  return typeof value === "object" && value !== null &&
    (levels === 0 ||
      Object.values(value).some((each) => nests(each, levels - 1)));
}
