import postgres from "postgres";

/** Puts nobody of a stack into a holdout: one user in ten would not be nudged otherwise. */
export async function withoutHoldout({ DB_URL }: { DB_URL: string }): Promise<void> {
  const sql = postgres(DB_URL, { max: 1, onnotice() {} });
  try {
    await sql`update flywheel.settings set reactor_settings = '{"nudges": {"holdout": 0}}'`;
  } finally {
    await sql.end();
  }
}
