import { applyMigrations } from "../../local/postgres/migrations.ts";
import { applySchemaFiles } from "../../local/postgres/schema-files.ts";
import type { ScratchCluster, ScratchDatabase } from "../../local/postgres/scratch-cluster.ts";
import type { SchemaPlaces } from "./places.ts";

/** A new database with the schema as its source says. */
export async function databaseFromSource(
  cluster: ScratchCluster,
  { script }: SchemaPlaces,
): Promise<ScratchDatabase> {
  const database = await cluster.createDatabase();
  await applySchemaFiles(database.sql, script);
  return database;
}

/**
 * A new database with the schema as the migrations make it.
 *
 * @throws StackError naming the migration that cannot be applied
 */
export async function databaseFromMigrations(
  cluster: ScratchCluster,
  { migrations }: SchemaPlaces,
): Promise<ScratchDatabase> {
  const database = await cluster.createDatabase();
  await applyMigrations(database.sql, migrations);
  return database;
}
