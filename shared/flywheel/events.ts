import { z } from "zod";
import { asUser, type Database } from "../platform/database.ts";

const filter = (max: number) =>
  z.string().max(max).refine((text) => !text.includes("\0"), "holds a NUL character").optional();

/** Which of a user's events to list. */
export const eventsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** Events of earlier versions, newest first: the `next` of the page before. */
  before: z.coerce.number().int().min(1).optional(),
  /** Events of later versions, oldest first: 0 to begin with, then the `next` of the page before. */
  after: z.coerce.number().int().min(0).optional(),
  event_type: filter(100),
  app_source: filter(50),
});

export type EventsQuery = z.output<typeof eventsQuery>;

/** A user's events, newest first or, with `after`, oldest first, as that user may see them; `next` is null on the last page. */
export async function listEvents(database: Database, userId: string, query: EventsQuery) {
  const rows = await asUser(database, { sub: userId }, (sql) =>
    sql`
      select
        event_id, user_id, version::int, event_type, app_source, payload, metadata, correlation_id, causation_id, session_id,
        "timestamp", received_at, encode(event_hash, 'hex') as event_hash, ai_processing_error
      from public.phoenix_events
      where user_id = ${userId}
        ${query.before === undefined ? sql`` : sql`and version < ${query.before}`}
        ${query.after === undefined ? sql`` : sql`and version > ${query.after}`}
        ${
      query.event_type === undefined
        ? sql``
        : sql`and event_type = normalize(${query.event_type}::text, nfc)`
    }
        ${query.app_source === undefined ? sql`` : sql`and app_source = ${query.app_source}`}
      order by version ${query.after === undefined ? sql`desc` : sql`asc`}
      limit ${query.limit + 1}
    `);
  const events = rows.slice(0, query.limit);
  return { events, next: rows.length > query.limit ? events.at(-1)?.version as number : null };
}
