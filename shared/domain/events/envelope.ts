/**
 * An event as the fold receives it from the database: one user's, with its place in their stream.
 * What may be published is for the database to say; here it is already a fact.
 */
export interface StoredEvent {
  /** The event's place in its user's stream, from 1. */
  version: number;
  event_id: string;
  event_type: string;
  app_source: string;
  payload: Record<string, unknown>;
  correlation_id: string | null;
  /** When it happened by its publisher's clock, which may be a little ahead, milliseconds since 1970; reactors are told no time after its receipt. */
  timestamp: number;
  /** When it was stored, milliseconds since 1970; grows with the version, unless the database's clock was set back far. */
  received_at: number;
  /** Whether it was set aside before, as a dead letter. */
  set_aside: boolean;
}
