import { z } from "zod";

const instant = z.iso.datetime({ offset: true });
const json = z.record(z.string(), z.unknown());

/**
 * An event as the database stores it and the fold receives it: one user's, with its place in their
 * stream. What may be published is for the database to say.
 */
export const storedEvent = z.object({
  event_id: z.guid(),
  /** The event's place in its user's stream, from 1. */
  version: z.int().positive(),
  event_type: z.string(),
  app_source: z.string(),
  payload: json,
  metadata: json,
  correlation_id: z.string().nullable(),
  causation_id: z.string().nullable(),
  session_id: z.string().nullable(),
  /** When it happened, ISO 8601 with an offset. */
  timestamp: instant,
  /** When it was stored, ISO 8601 with an offset. */
  received_at: instant,
});

/** An event as the database stores it and the fold receives it. */
export type StoredEvent = z.output<typeof storedEvent>;
