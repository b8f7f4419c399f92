import { z } from "zod";
import { slugOf } from "../domain/apps.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import type { Database, JsonText } from "../platform/database.ts";

/** A text in NFC, as the log keeps it, whose characters are counted as Postgres counts them. */
const normalText = (max: number) =>
  z.string().transform(normaliseText)
    .refine((text) => [...text].length <= max, `must be ${max} characters at most`)
    .refine((text) => !text.includes("\0"), "holds a NUL character");

/** Which of a user's events to list. */
export const eventsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** Events of earlier versions, newest first: the `next` of the page before. */
  before: z.coerce.number().int().min(1).optional(),
  /** Events of later versions, oldest first: 0 to begin with, then the `next` of the page before. */
  after: z.coerce.number().int().min(0).optional(),
  event_type: normalText(100).optional(),
  /** With or without `phoenix_`. */
  app_source: z.string().transform(slugOf).pipe(normalText(50))
    .optional(),
});

export type EventsQuery = z.output<typeof eventsQuery>;

/**
 * A user's events, newest first or, with `after`, oldest first.
 *
 * @returns `{ events, next }` as the database writes it, which keeps every digit of a number; `next` is null on the last page. Times
 * are ISO 8601 in UTC, with milliseconds, or with microseconds where there are some
 */
export async function listEvents(
  sql: Database,
  userId: string,
  query: EventsQuery,
): Promise<JsonText> {
  const direction = query.after === undefined ? sql`desc` : sql`asc`;
  const rows = await sql<{ version: number; event: JsonText }[]>`
    select e.version, to_json(e)::text as event
    from (
      select
        event_id, user_id, version::int, event_type, app_source, payload, metadata, correlation_id, causation_id, session_id,
        ${isoTime(sql, "timestamp")}, ${isoTime(sql, "received_at")},
        encode(event_hash, 'hex') as event_hash, ai_processing_error
      from public.phoenix_events as p
      where user_id = ${userId}
        ${query.before === undefined ? sql`` : sql`and version < ${query.before}`}
        ${query.after === undefined ? sql`` : sql`and version > ${query.after}`}
        ${query.event_type === undefined ? sql`` : sql`and event_type = ${query.event_type}`}
        ${query.app_source === undefined ? sql`` : sql`and app_source = ${query.app_source}`}
      order by p.version ${direction}
      limit ${query.limit + 1}
    ) as e
    order by e.version ${direction}
  `;
  const page = rows.slice(0, query.limit);
  const next = rows.length > query.limit ? page.at(-1)!.version : null;
  return `{"events":[${page.map(({ event }) => event).join()}],"next":${next}}`;
}

/** A column's time as text, under the column's name. */
function isoTime(sql: Database, column: string) {
  return sql`
    regexp_replace(
      to_char(${sql(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z$', 'Z'
    ) as ${sql(column)}
  `;
}
