import { join } from "node:path";
import { migrationFiles } from "../../local/postgres/migrations.ts";
import { readSchemaFiles } from "../../local/postgres/schema-files.ts";
import type { ScratchCluster, ScratchDatabase } from "../../local/postgres/scratch-cluster.ts";
import { StackError } from "../../local/stack-error.ts";
import { databaseFromMigrations, databaseFromSource } from "./databases.ts";
import { drift, schemaDifference } from "./drift.ts";
import type { SchemaPlaces } from "./places.ts";
import { type Place, placeOf, readStatements } from "./statements.ts";

export interface MigrationOptions {
  /** What the migration does, in snake case. */
  name: string;
  /** Writes the whole schema as one migration in the place of all there are: only while no project has any of them. */
  squash: boolean;
  now: Date;
}

export interface MigrationOutcome {
  /** The file that was written; nothing when there was no difference to write. */
  file?: string;
  /** What sets the migrated schema apart from its source even so; empty when nothing does. */
  left: string;
}

/**
 * Writes the migration that brings the migrated schema to where its source is: at first the source itself, file by file, and
 * from then on the difference. Then applies all migrations anew and compares.
 *
 * @param cluster where databases to compare are made
 * @throws StackError naming a migration that cannot be applied; one just written is kept
 */
export async function makeMigration(
  cluster: ScratchCluster,
  schema: SchemaPlaces,
  { name, squash, now }: MigrationOptions,
): Promise<MigrationOutcome> {
  const source = await databaseFromSource(cluster, schema);
  const existing = await migrationFiles(schema.migrations);

  let file: string | undefined = `${nextVersion(now, existing.at(-1)?.version)}_${name}.sql`;
  if (squash || existing.length === 0) {
    // Squashed again under its name, a migration stays the same file.
    file = existing.find((each) => each.name === name)?.file ?? file;
    await Deno.mkdir(schema.migrations, { recursive: true });
    await Deno.writeTextFile(join(schema.migrations, file), await wholeSchema(schema));
    for (const each of existing) {
      if (each.file !== file) await Deno.remove(join(schema.migrations, each.file));
    }
  } else {
    const text = await difference(schema, source, await databaseFromMigrations(cluster, schema));
    if (text === "") file = undefined;
    else await Deno.writeTextFile(join(schema.migrations, file), text);
  }
  if (file === undefined) {
    return { left: await drift(await databaseFromMigrations(cluster, schema), source) };
  }
  const migrated = await databaseFromMigrations(cluster, schema).catch((error) => {
    throw new StackError(
      `Wrote ${file}, which cannot be applied: complete it by hand, or delete it.\n${error.message}`,
    );
  });
  return { file, left: await drift(migrated, source) };
}

async function wholeSchema({ script }: SchemaPlaces): Promise<string> {
  const files = await readSchemaFiles(script);
  return files.map(({ path, text }) => `-- ${path}\n${text.trim()}\n`).join("\n");
}

/** What brings a migrated database to the source's schema. Leaves the database between the two. */
async function difference(
  schema: SchemaPlaces,
  source: ScratchDatabase,
  migrated: ScratchDatabase,
): Promise<string> {
  const { before, after } = await copiedStatements(schema);
  for (const statement of before) await migrated.sql.unsafe(statement).simple();
  const parts = [...before, await schemaDifference(migrated, source), ...after].filter(Boolean);
  return parts.map((part) => `${part}\n`).join("\n");
}

/** The statements of the source that no difference carries and that no migration has yet. */
async function copiedStatements(schema: SchemaPlaces): Promise<Record<Place, string[]>> {
  const files = await migrationFiles(schema.migrations);
  const migrations = await Promise.all(
    files.map(({ file }) => Deno.readTextFile(join(schema.migrations, file))),
  );
  const source = await Promise.all(
    (await readSchemaFiles(schema.script)).map(({ text }) => readStatements(text)),
  );
  const copied: Record<Place, string[]> = { before: [], difference: [], after: [] };
  for (const statement of source.flat()) {
    const isThere = migrations.some((migration) => migration.includes(statement.text));
    if (!isThere) copied[placeOf(statement)].push(statement.text);
  }
  return copied;
}

/** The version of a migration that comes after the last one, even if this clock is behind the one that named that. */
function nextVersion(now: Date, last = ""): string {
  const version = timestamp(now);
  if (version > last) return version;
  const time = new Date(
    last.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  return timestamp(new Date(time.getTime() + 1000));
}

/** As the Supabase CLI begins the names of migrations: `YYYYMMDDhhmmss`, in UTC. */
function timestamp(now: Date): string {
  return now.toISOString().replaceAll(/\D/g, "").slice(0, 14);
}
