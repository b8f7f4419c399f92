import type { TestDatabase } from "./database.ts";

/** The clock of a test's own database, by which everything there tells the time. */
export interface DatabaseClock {
  /** Sets it ahead of the right time by an interval such as `1 hour`, or right again. */
  set(ahead: string): Promise<void>;
}

/**
 * Puts a clock into a test's own database that can be set: before anybody has connected, who would go by the right one still. Views
 * and columns' defaults go by the right one anyway.
 */
export async function databaseClock({ superuser }: TestDatabase): Promise<DatabaseClock> {
  const clocks = ["clock_timestamp", "statement_timestamp"];
  const write = (ahead: string) =>
    superuser.begin(async (sql) => {
      await sql`set local allow_system_table_mods = on`;
      for (const clock of clocks) {
        await sql.unsafe(`
          create or replace function pg_catalog.${clock}() returns timestamptz
          language sql volatile
          as $$ select pg_catalog.right_${clock}() + interval '${ahead}' $$
        `);
      }
    });
  for (const clock of clocks) {
    await superuser.unsafe(`alter function pg_catalog.${clock}() rename to right_${clock}`);
  }
  await write("0");
  return { set: async (ahead) => void await write(ahead) };
}
