import type { GlobalContext } from "../domain/dashboard.ts";
import type { State } from "../domain/reactor.ts";
import { activity } from "../domain/reactors/activity.ts";
import { journey } from "../domain/reactors/journey.ts";
import { profile } from "../domain/reactors/profile.ts";
import { wellbeing } from "../domain/reactors/wellbeing.ts";
import { type Settings, type SettingsChange, settingsOver } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";

/** What is remembered of a user; `stale` where other reactors than these folded it, until a worker has folded it anew. */
export type Memory =
  | { kind: "fresh"; states: State; settings: Settings }
  | { kind: "stale" }
  | { kind: "unknown" };

/** Whose memory a user's pages are made of. */
const sources = [profile, activity, wellbeing, journey];

/** Reads what the reactors remember of a user, and has it folded anew where that is stale. */
export async function readMemory(database: Database, userId: string): Promise<Memory> {
  const [row] = await database<
    { read: { shape: string | null; state: State; settings: SettingsChange[] } | null }[]
  >`select flywheel.read_state(${userId}) as read`;
  if (!row?.read) return { kind: "unknown" };
  const { shape, state, settings } = row.read;
  const folded = new Set(shape?.split(" "));
  if (shape !== null && sources.some(({ name, version }) => !folded.has(`${name}@${version}`))) {
    await database`select flywheel.refold(${userId})`;
    return { kind: "stale" };
  }
  return { kind: "fresh", states: state, settings: settingsOver(settings)(Infinity) };
}

/** What a dashboard says of everybody. */
export async function readGlobalContext(database: Database): Promise<GlobalContext> {
  const [row] = await database<
    { context: GlobalContext }[]
  >`select flywheel.global_context() as context`;
  return row!.context;
}
