import { z } from "zod";
import { slugOf } from "../domain/apps.ts";
import { normaliseText } from "../domain/events/normalise.ts";
import type { Database, JsonText } from "../platform/database.ts";
import { pageOf } from "./page.ts";

/** A text in NFC, as the log keeps it, whose characters are counted as Postgres counts them. */
const normalText = (max: number) =>
  z.string().transform(normaliseText)
    .refine((text) => [...text].length <= max, `must be ${max} characters at most`)
    .refine((text) => !text.includes("\0"), "holds a NUL character");

/** Which of a user's events to list. */
export const eventsQuery = z.object({
  /** At most: a page ends before where its events are large. */
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
  const order = query.after === undefined ? sql`version desc` : sql`version`;
  const page = pageOf(sql, {
    rows: sql`
      select *
      from public.phoenix_events
      where user_id = ${userId}
        ${query.before === undefined ? sql`` : sql`and version < ${query.before}`}
        ${query.after === undefined ? sql`` : sql`and version > ${query.after}`}
        ${query.event_type === undefined ? sql`` : sql`and event_type = ${query.event_type}`}
        ${query.app_source === undefined ? sql`` : sql`and app_source = ${query.app_source}`}
    `,
    bytes: sql`octet_length(payload::text) + octet_length(metadata::text)`,
    order,
    limit: query.limit,
  });
  const rows = await sql<{ version: number; has_more: boolean; event: JsonText }[]>`
    select p.version::int, p.has_more, to_json(e)::text as event
    from (${page}) as p
    cross join lateral (
      select
        p.event_id, p.user_id, p.version, p.event_type, p.app_source, p.payload, p.metadata, p.correlation_id, p.causation_id,
        p.session_id, ${isoTime(sql, "timestamp")}, ${isoTime(sql, "received_at")},
        encode(p.event_hash, 'hex') as event_hash, p.ai_processing_error
    ) as e
    order by ${order}
  `;
  const last = rows.at(-1);
  const next = last?.has_more ? last.version : null;
  return `{"events":[${rows.map(({ event }) => event).join()}],"next":${next}}`;
}

/** A column's time as text, under the column's name. */
function isoTime(sql: Database, column: string) {
  return sql`
    regexp_replace(
      to_char(p.${sql(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z$', 'Z'
    ) as ${sql(column)}
  `;
}
