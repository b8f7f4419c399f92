import postgres from "postgres";

/**
 * One connection of a command to a database of the project, on this machine or hosted: encrypted where it leaves the machine, and in
 * words that every pooler of Supabase knows.
 *
 * @param name what the server lists it as
 */
export function openDatabase(url: string, name: string): postgres.Sql {
  const { hostname, searchParams } = new URL(url);
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
  return postgres(url, {
    max: 1,
    connect_timeout: 15,
    onnotice: () => {},
    connection: { application_name: name },
    // Supabase's transaction pooler knows no prepared statements.
    prepare: false,
    fetch_types: false,
    ...(local || searchParams.has("sslmode") ? {} : { ssl: "require" as const }),
  });
}
