import type postgres from "postgres";

/**
 * What stands in the store: for each table its number of rows and a digest of them. Two looks are equal only where nothing has
 * changed in between.
 */
export async function storeContents(sql: postgres.Sql): Promise<Record<string, string>> {
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name
    from pg_catalog.pg_tables
    where schemaname in ('public', 'flywheel')
    order by 1`;
  const contents: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await sql.unsafe<{ contents: string }[]>(
      `select count(*) || ' rows ' || md5(coalesce(string_agg(t::text, e'\\n' order by t::text), '')) as contents
       from ${name} as t`,
    );
    contents[name] = row!.contents;
  }
  return contents;
}
