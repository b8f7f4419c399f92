import { dirname, join } from "node:path";
import type postgres from "postgres";

/**
 * Applies a psql script that names the schema's files, each by `\ir` in a line of its own, in one transaction.
 *
 * @param sql a connection as role `postgres`
 * @param script path of the script
 */
export async function applySchemaFiles(sql: postgres.Sql, script: string): Promise<void> {
  const text = await expand(script);
  await sql.begin((tx) => tx.unsafe(text).simple());
}

async function expand(script: string): Promise<string> {
  const lines = (await Deno.readTextFile(script)).split("\n");
  const expanded = await Promise.all(lines.map((line) => {
    const file = /^\\ir\s+(\S+)/.exec(line)?.[1];
    return file === undefined ? line : expand(join(dirname(script), file));
  }));
  return expanded.join("\n");
}
