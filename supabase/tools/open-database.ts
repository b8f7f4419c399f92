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

/** Whether a URL's user and password can be read; what PostgreSQL's clients throw of a `%` in a password says nothing. */
export function hasReadableLogin(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    [username, password].forEach((part) => decodeURIComponent(part));
    return true;
  } catch {
    return false;
  }
}

/** What to do about a URL whose login cannot be read, after the name of what it was given in. */
export const UNREADABLE_LOGIN = "has a % in its user or password that must be written %25";
