import type postgres from "postgres";
import { z } from "zod";
import type { ScratchDatabase } from "../../local/postgres/scratch-cluster.ts";
import { supabaseCli } from "../supabase-cli.ts";

const Diff = z.object({ diff: z.string() });

/**
 * The SQL that turns the schema of one database into that of another, from `supabase db diff`.
 *
 * @returns the empty text when the two are the same
 * @throws SupabaseCliError also where a schema has an object that the comparison does not know
 */
export async function schemaDifference(
  from: ScratchDatabase,
  to: ScratchDatabase,
): Promise<string> {
  const { diff } = await supabaseCli(
    ["db", "diff", "--use-pg-delta", "--strict-coverage", "--from", from.url, "--to", to.url],
    Diff,
  );
  return diff.trim();
}

/**
 * All that sets two databases without users apart: the schema, and the rows that the schema begins with.
 *
 * @returns SQL, with a comment for each row; the empty text when they are the same
 */
export async function drift(from: ScratchDatabase, to: ScratchDatabase): Promise<string> {
  const [schema, before, after] = await Promise.all([
    schemaDifference(from, to),
    rows(from.sql),
    rows(to.sql),
  ]);
  return [
    schema,
    ...[...after.difference(before)].map((row) => `-- missing row: ${row}`),
    ...[...before.difference(after)].map((row) => `-- surplus row: ${row}`),
  ].filter(Boolean).join("\n");
}

/** The rows of every table that migrations made, each as its table's name and its JSON. */
async function rows(sql: postgres.Sql): Promise<Set<string>> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name
    from pg_tables
    where tableowner = current_user and schemaname <> 'supabase_migrations'
    order by name`;
  const found = new Set<string>();
  for (const { name } of tables) {
    const contents = await sql.unsafe<{ row: string }[]>(
      `select to_jsonb(t)::text as row from ${name} as t`,
    );
    for (const { row } of contents) found.add(`${name} ${row}`);
  }
  return found;
}
