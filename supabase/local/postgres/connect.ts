import postgres from "postgres";

/** A few connections for the stack's own errands. */
export function connect(url: string, options: { max?: number } = {}): postgres.Sql {
  return postgres(url, {
    max: options.max ?? 1,
    onnotice: () => {},
    connect_timeout: 5,
    connection: { application_name: "phoenix-stack" },
  });
}

/** Whether the server answers on this URL. */
export async function isServing(url: string): Promise<boolean> {
  const sql = connect(url);
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 0 });
  }
}
