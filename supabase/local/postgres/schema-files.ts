import { dirname, join } from "node:path";
import type postgres from "postgres";

/** A file of the schema's source. */
export interface SchemaFile {
  /** Relative to the script that names it. */
  path: string;
  text: string;
}

/**
 * The schema's files in the order in which they can be applied.
 *
 * @param script path of a psql script that names each of them by `\ir`, one a line
 */
export async function readSchemaFiles(script: string): Promise<SchemaFile[]> {
  const lines = (await Deno.readTextFile(script)).split("\n");
  const paths = lines.flatMap((line) => /^\\ir\s+(\S+)/.exec(line)?.[1] ?? []);
  return await Promise.all(paths.map(async (path) => ({
    path,
    text: await Deno.readTextFile(join(dirname(script), path)),
  })));
}

/**
 * Applies the schema's files, all of them in one transaction.
 *
 * @param sql a connection as role `postgres`
 * @param script path of the script that names them
 */
export async function applySchemaFiles(sql: postgres.Sql, script: string): Promise<void> {
  const files = await readSchemaFiles(script);
  await sql.begin((tx) => tx.unsafe(files.map(({ text }) => text).join("\n")).simple());
}
