import type { StoredEvent } from "../domain/events/envelope.ts";
import type { State } from "../domain/fold.ts";
import type { SettingsChange } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";

type EventRow = [
  version: number,
  event_id: string,
  event_type: string,
  app_source: string,
  payload: Record<string, unknown>,
  correlation_id: string | null,
  timestamp: number,
  received_at: number,
  set_aside: boolean,
  is_new: boolean,
];

/** One user's backlog, for the time of the lease. */
export interface LeasedStream {
  user_id: string;
  /** The how-manieth lease of what comes first this is. */
  attempts: number;
  /** The last version that `state` has folded. */
  version: number;
  state: State;
  /** How many events lie behind `version`, of which `events` may be the first few. */
  behind: number;
  events: (StoredEvent & { is_new: boolean })[];
}

export interface Lease {
  token: string;
  /** Every event received until then is here or behind what is here, milliseconds since 1970. */
  leased_at: number;
  max_attempts: number;
  /** What the reactors' settings have been, oldest first. */
  settings: SettingsChange[];
  streams: LeasedStream[];
}

type LeaseRow =
  & Omit<Lease, "streams">
  & { streams: (Omit<LeasedStream, "events"> & { events: EventRow[] })[] };

/** Takes the users whose backlog or timer is due: @returns nothing where no stream is. */
export async function lease(database: Database, shape: string): Promise<Lease | undefined> {
  const [row] = await database<{ lease: LeaseRow | null }[]>`select flywheel.lease(${shape})`;
  if (!row?.lease) return undefined;
  const { streams, ...rest } = row.lease;
  return {
    ...rest,
    streams: streams.map((stream) => ({ ...stream, events: stream.events.map(readEvent) })),
  };
}

function readEvent(row: EventRow): StoredEvent & { is_new: boolean } {
  return {
    version: row[0],
    event_id: row[1],
    event_type: row[2],
    app_source: row[3],
    payload: row[4],
    correlation_id: row[5],
    timestamp: row[6],
    received_at: row[7],
    set_aside: row[8],
    is_new: row[9],
  };
}
