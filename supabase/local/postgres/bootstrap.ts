import { getAuthSchemaSql } from "@supabase/lite";
import type postgres from "postgres";

const FOLDER = new URL("./bootstrap/", import.meta.url);

/**
 * Gives a bare database what a Supabase project has before its first migration: roles, default privileges, `extensions`,
 * `auth`, `vault`, `net`. Every statement may run again, so a boot brings an older data folder up to date.
 *
 * @param sql a connection as the superuser
 * @param password what `postgres` and `authenticator` log in with
 */
export async function bootstrap(sql: postgres.Sql, password: string): Promise<void> {
  const names = [...Deno.readDirSync(FOLDER)].map((entry) => entry.name).sort();
  const files = await Promise.all(names.map((name) => Deno.readTextFile(new URL(name, FOLDER))));
  const passwords = ["postgres", "authenticator"].map((role) =>
    `alter role ${role} password '${password.replaceAll("'", "''")}'`
  );
  const statements = ["begin", ...files, getAuthSchemaSql(), ...passwords, "commit"];
  await sql.unsafe(statements.join(";\n")).simple();
}
