import postgres from "postgres";
import { encryption } from "../../shared/platform/database.ts";

/**
 * One connection of a command to a database of the project, on this machine or hosted: encrypted where it leaves the machine, and in
 * words that every pooler of Supabase knows.
 *
 * @param name what the server lists it as
 */
export function openDatabase(url: string, name: string): postgres.Sql {
  return postgres(url, {
    max: 1,
    connect_timeout: 15,
    onnotice: () => {},
    // The report tells days apart as ISO 8601, however the database writes them for others.
    connection: { application_name: name, DateStyle: "ISO" },
    // Supabase's transaction pooler knows no prepared statements.
    prepare: false,
    fetch_types: false,
    ...encryption(url, "require"),
  });
}

/**
 * What keeps a text from being the URL of a database: the end of a sentence that begins with the name of where it was given. The
 * text may hold a password: no fault repeats any of it.
 *
 * @returns undefined where it is one
 */
export function faultOfDatabaseUrl(text: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(text)) {
    return "must be a URL such as postgresql://user:password@host:5432/postgres";
  }
  // One of these in a password would end it early, and what is left of it would pass for the path and be printed.
  const hasLogin = /^\w+:\/\/[^/?#@:]+(:[^/?#@]*)?@[^/?#@]+([/?#][^@]*)?$/.test(text);
  const url = hasLogin && URL.parse(text);
  if (!url) return "must name its user and host, with / ? # @ in the password percent-encoded";
  try {
    [url.username, url.password].forEach((part) => decodeURIComponent(part));
  } catch {
    return "has a % in its user or password that must be written %25";
  }
  return undefined;
}
