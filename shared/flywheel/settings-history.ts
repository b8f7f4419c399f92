import { flawOf, type Settings, type SettingsChange, settingsOver } from "../domain/settings.ts";
import type { Database } from "../platform/database.ts";

/** What the reactors' settings have been. */
export interface SettingsHistory {
  /** The reactors' settings in force at a time. */
  settingsAt: (time: number) => Settings;
  /** What is wrong with the settings said last, which then do not count. */
  settingsFlaw: string | undefined;
}

/** What was read last, and up to which change. It grows for years, and is read anew only after a change. */
const known = new WeakMap<Database, { changed_at: number; history: SettingsHistory }>();

/** @param changedAt the last change that has to be in it, as `flywheel.settings_changed_at()` says */
export async function settingsHistory(
  database: Database,
  changedAt: number,
): Promise<SettingsHistory> {
  const before = known.get(database);
  if (before?.changed_at === changedAt) return before.history;
  const [row] = await database<{ changed_at: number; changes: SettingsChange[] }[]>`
    select flywheel.settings_changed_at() as changed_at, flywheel.settings_history() as changes
  `;
  const { changed_at, changes } = row!;
  const history = { settingsAt: settingsOver(changes), settingsFlaw: flawOf(changes.at(-1)?.said) };
  known.set(database, { changed_at, history });
  return history;
}

/** The settings of now. @param changedAt as for {@link settingsHistory} */
export async function latestSettings(database: Database, changedAt: number): Promise<Settings> {
  return (await settingsHistory(database, changedAt)).settingsAt(Infinity);
}
