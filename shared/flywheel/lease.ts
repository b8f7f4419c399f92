import type { StoredEvent } from "../domain/events/envelope.ts";
import type { State } from "../domain/fold.ts";
import { type CountedEvent, countedTime } from "../domain/rollups/counted-event.ts";
import type { Database } from "../platform/database.ts";
import { parseJson } from "../platform/parse-json.ts";
import { type SettingsHistory, settingsHistory } from "./settings-history.ts";

/** Times in seconds since 1970, to the microsecond; what is left out is false, true and null. */
type EventRow = [
  version: number,
  event_id: string,
  event_type: string,
  app_source: string,
  timestamp: number,
  received_at: number,
  payload: Record<string, unknown>,
  set_aside?: boolean,
  is_new?: boolean,
  correlation_id?: string | null,
];

/** An event of a backlog. */
export interface LeasedEvent extends StoredEvent, Pick<CountedEvent, "at"> {
  /** Whether it has never been counted before. */
  is_new: boolean;
}

/** One user's backlog, for the time of the lease. */
export interface LeasedStream {
  user_id: string;
  /** Which lease of its next event or timer this is, from 1. */
  attempts: number;
  /** The last version that `state` has folded. */
  version: number;
  state: State;
  /** How many events lie behind `version`, of which `events` may be the first few. */
  behind: number;
  events: LeasedEvent[];
  /** Whether what `state` has folded is not all counted yet. */
  is_uncounted: boolean;
}

export interface Lease extends SettingsHistory {
  token: string;
  /** Every event received until then is here or behind what is here, microseconds since 1970. */
  leased_at: number;
  max_attempts: number;
  /** Whose streams these are. */
  users: string[];
  /** Each for {@link readStream}, when its turn has come: objects that are made only then live shortly, and cost little. */
  streams: readonly string[];
}

type LeaseRow = Omit<Lease, "streams" | keyof SettingsHistory> & {
  settings_changed_at: number;
};

/**
 * Takes the users whose backlog or timer is due.
 *
 * @param shape the versions of the reactors that are going to fold, as `shapeOfWork()` writes them
 * @returns nothing where no stream is due
 */
export async function lease(database: Database, shape: string): Promise<Lease | undefined> {
  const rows = await database<{ lease: string }[]>`select flywheel.lease(${shape})`;
  const streams = rows.map(({ lease }) => lease);
  const leased = streams.pop();
  if (leased === undefined) return undefined;
  const { settings_changed_at, ...rest } = parseJson(leased) as LeaseRow;
  const { settingsAt, settingsFlaw } = await settingsHistory(database, settings_changed_at);
  return { ...rest, settingsAt, settingsFlaw, streams };
}

/** Reads one of a {@link Lease}'s streams. */
export function readStream(text: string): LeasedStream {
  const { events, ...stream } = parseJson(text) as Omit<LeasedStream, "events"> & {
    events: EventRow[];
  };
  return { ...stream, events: events.map(readEvent) };
}

function readEvent(row: EventRow): LeasedEvent {
  // A number holds seconds to the microsecond until the year 2106.
  const micros = Math.round(row[4] * 1_000_000);
  return {
    version: row[0],
    event_id: row[1],
    event_type: row[2],
    app_source: row[3],
    payload: row[6],
    correlation_id: row[9] ?? null,
    timestamp: Math.floor(micros / 1000),
    at: countedTime(micros),
    received_at: Math.floor(Math.round(row[5] * 1_000_000) / 1000),
    set_aside: row[7] ?? false,
    is_new: row[8] ?? true,
  };
}
