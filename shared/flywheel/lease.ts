import type { StoredEvent } from "../domain/events/envelope.ts";
import type { State } from "../domain/fold.ts";
import { type CountedEvent, countedTime } from "../domain/rollups/counted-event.ts";
import { flawOf, type Settings, type SettingsChange, settingsOver } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";

type EventRow = [
  version: number,
  event_id: string,
  event_type: string,
  app_source: string,
  payload: Record<string, unknown>,
  correlation_id: string | null,
  timestamp_micros: number,
  received_at: number,
  set_aside: boolean,
  is_new: boolean,
];

/** An event of a backlog. */
export interface LeasedEvent extends StoredEvent, Pick<CountedEvent, "at"> {
  /** Whether it has never been counted before. */
  is_new: boolean;
}

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
  events: LeasedEvent[];
}

export interface Lease {
  token: string;
  /** Every event received until then is here or behind what is here, microseconds since 1970. */
  leased_at: number;
  max_attempts: number;
  /** The reactors' settings in force at a time. */
  settingsAt: (time: number) => Settings;
  /** What is wrong with the settings said last, which then do not count. */
  settingsFlaw: string | undefined;
  streams: LeasedStream[];
}

type LeaseRow =
  & Omit<Lease, "streams" | "settingsAt" | "settingsFlaw">
  & {
    settings: SettingsChange[];
    streams: (Omit<LeasedStream, "events"> & { events: EventRow[] })[];
  };

/** Takes the users whose backlog or timer is due: @returns nothing where no stream is. */
export async function lease(database: Database, shape: string): Promise<Lease | undefined> {
  const [row] = await database<{ lease: string | null }[]>`select flywheel.lease(${shape})`;
  if (!row?.lease) return undefined;
  const { streams, settings, ...rest } = JSON.parse(row.lease) as LeaseRow;
  return {
    ...rest,
    settingsAt: settingsOver(settings),
    settingsFlaw: flawOf(settings.at(-1)?.said),
    streams: streams.map((stream) => ({ ...stream, events: stream.events.map(readEvent) })),
  };
}

function readEvent(row: EventRow): LeasedEvent {
  return {
    version: row[0],
    event_id: row[1],
    event_type: row[2],
    app_source: row[3],
    payload: row[4],
    correlation_id: row[5],
    timestamp: Math.floor(row[6] / 1000),
    at: countedTime(row[6]),
    received_at: row[7],
    set_aside: row[8],
    is_new: row[9],
  };
}
