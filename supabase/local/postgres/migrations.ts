import { join } from "node:path";
import type postgres from "postgres";
import { StackError } from "../stack-error.ts";

/**
 * Applies the migrations that the database does not have yet, each in a transaction with its record, in the order of their
 * timestamps: what `supabase db push` does.
 *
 * @param sql a connection as role `postgres`
 * @param folder the folder of `<timestamp>_<name>.sql` files
 * @returns the names of the files applied
 * @throws StackError naming the file that failed, which leaves no trace, or those that are too old to be applied
 */
export async function applyMigrations(sql: postgres.Sql, folder: string): Promise<string[]> {
  const recorded = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations`;
  const versions = new Set(recorded.map((row) => row.version));
  const pending = (await migrationFiles(folder)).filter(({ version }) => !versions.has(version));
  const last = recorded.map((row) => row.version).sort().at(-1) ?? "";
  const old = pending.filter(({ version }) => version < last).map(({ file }) => file);
  if (old.length > 0) throw new StackError(tooOld(old));
  for (const { file, version, name } of pending) {
    const text = await Deno.readTextFile(join(folder, file));
    try {
      await sql.begin(async (tx) => {
        await tx.unsafe(text).simple();
        await tx`
          insert into supabase_migrations.schema_migrations (version, name, statements)
          values (${version}, ${name}, ${[text]})`;
      });
    } catch (error) {
      throw new StackError(
        `Migration ${file} failed (${
          error instanceof Error ? error.message : error
        }): correct it and start again.`,
      );
    }
  }
  return pending.map(({ file }) => file);
}

/** What to do about migrations that the database would get in another order than a new one. */
export function tooOld(files: readonly string[]): string {
  return `Rename what is older than the last applied migration to a later timestamp: ${
    files.join(", ")
  }.`;
}

/** A migration's file, `<version>_<name>.sql`. */
export interface MigrationFile {
  file: string;
  /** Its timestamp, `YYYYMMDDhhmmss`. */
  version: string;
  name: string;
}

/** The migrations of a folder, which may be missing, in the order in which they apply. */
export async function migrationFiles(folder: string): Promise<MigrationFile[]> {
  const files: MigrationFile[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) {
      const parts = /^(\d+)_(.*)\.sql$/.exec(entry.name);
      if (parts) files.push({ file: entry.name, version: parts[1]!, name: parts[2]! });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files.sort((a, b) => a.file.localeCompare(b.file, "en"));
}
