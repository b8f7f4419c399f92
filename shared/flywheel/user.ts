import type { GlobalContext } from "../domain/dashboard.ts";
import type { StoredEvent } from "../domain/events/envelope.ts";
import { recognise } from "../domain/events/known-event.ts";
import type { Reactor, State } from "../domain/reactor.ts";
import { activity } from "../domain/reactors/activity.ts";
import { journey } from "../domain/reactors/journey.ts";
import {
  foldProfile,
  type Profile,
  profile,
  profileTypes,
  readProfile,
} from "../domain/reactors/profile.ts";
import { wellbeing } from "../domain/reactors/wellbeing.ts";
import type { Settings } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";
import { pageOf } from "./page.ts";
import { latestSettings } from "./settings-history.ts";

/** What is remembered of a user; `stale` while it is to be folded anew, because other reactors than these folded it or for a replay. */
export type Memory =
  | { kind: "fresh"; states: State; settings: Settings }
  | { kind: "stale" }
  | { kind: "unknown" };

/** Whose memory a user's pages are made of. */
const sources = [profile, activity, wellbeing, journey];

/** Reads what the reactors remember of a user, and has it folded anew where that is stale. */
export async function readMemory(database: Database, userId: string): Promise<Memory> {
  const [row] = await database<{ read: StateRead | null }[]>`
    select flywheel.read_state(${userId}) as read
  `;
  const { read } = row!;
  if (!read) return { kind: "unknown" };
  if (read.is_behind) return { kind: "stale" };
  if (read.shape !== null && !sources.every((source) => isOf(source, read.shape))) {
    await database`select flywheel.refold(${userId})`;
    return { kind: "stale" };
  }
  return {
    kind: "fresh",
    states: read.state,
    settings: await latestSettings(database, read.settings_changed_at),
  };
}

/** What `flywheel.read_state()` answers. */
interface StateRead {
  shape: string | null;
  state: State;
  version: number;
  head: number;
  is_behind: boolean;
  settings_changed_at: number;
}

/** Whether a state is of a reactor of this very version. */
function isOf({ name, version }: Reactor, shape: string | null): boolean {
  return shape !== null && shape.split(" ").includes(`${name}@${version}`);
}

/**
 * A user's profile with all that has been published, whether a worker has come to it or not: an app that asks for a transition has
 * often just told what it is about.
 *
 * @returns the profile, `head`: up to which version at least it has all events, and the settings of now
 */
export async function readLatestProfile(
  database: Database,
  userId: string,
): Promise<{ profile: Profile; head: number; settings: Settings }> {
  const [row] = await database<{ read: StateRead | null; settings_changed_at: number }[]>`
    select flywheel.read_state(${userId}) as read, flywheel.settings_changed_at()
  `;
  const { read, settings_changed_at } = row!;
  const isFresh = read !== null && isOf(profile, read.shape);
  const known = isFresh ? readProfile(read.state) : profile.initial;
  const version = isFresh ? read.version : 0;
  const head = read?.head ?? 0;
  const latest = version === head ? known : await foldUntold(database, userId, known, version);
  return { profile: latest, head, settings: await latestSettings(database, settings_changed_at) };
}

/** Folds what a profile does not know yet, page by page: a whole history may be more than an instance has room for. */
async function foldUntold(
  sql: Database,
  userId: string,
  known: Profile,
  version: number,
): Promise<Profile> {
  let latest = known;
  let after: number | undefined = version;
  while (after !== undefined) {
    const order = sql`version`;
    const page = pageOf(sql, {
      rows: sql`
        select *
        from public.phoenix_events
        where user_id = ${userId} and version > ${after} and event_type = any (${profileTypes})
      `,
      bytes: sql`octet_length(payload::text)`,
      order,
      limit: 1_000,
    });
    const events: (StoredEvent & { has_more: boolean })[] = await sql`
      select
        version::int, event_id, event_type, app_source, payload, correlation_id,
        floor(extract(epoch from "timestamp") * 1000)::float8 as "timestamp",
        floor(extract(epoch from received_at) * 1000)::float8 as received_at,
        false as set_aside,
        has_more
      from (${page}) as p
      order by ${order}
    `;
    for (const event of events) {
      const recognised = recognise(event);
      if (recognised.kind === "known") latest = foldProfile(latest, recognised.event);
    }
    const last = events.at(-1);
    after = last?.has_more ? last.version : undefined;
  }
  return latest;
}

/** What a dashboard says of everybody. */
export async function readGlobalContext(database: Database): Promise<GlobalContext> {
  const [row] = await database<
    { context: GlobalContext }[]
  >`select flywheel.global_context() as context`;
  return row!.context;
}
