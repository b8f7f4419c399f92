import { z } from "zod";
import { openDatabase } from "../open-database.ts";

const Secret = z.object({ id: z.string(), decrypted_secret: z.string() });

/** Secrets kept in the database by Supabase Vault. */
export interface Vault {
  /** The secret's value, or `undefined` where there is no secret (or no vault yet). */
  read(name: string): Promise<string | undefined>;
  /** Creates the secret, or replaces its value. */
  write(name: string, value: string, description: string): Promise<void>;
}

/**
 * Opens the vault of the database of `SUPABASE_DB_URL` for as long as `use` runs.
 *
 * @throws Error naming that variable, since a wrong password is there
 */
export async function withVault<Result>(
  databaseUrl: string,
  use: (vault: Vault) => Promise<Result>,
): Promise<Result> {
  const sql = openDatabase(databaseUrl, "phoenix-deploy");

  async function find(name: string) {
    const rows = await sql`
      select id, decrypted_secret from vault.decrypted_secrets where name = ${name}
    `;
    return z.array(Secret).parse(rows)[0];
  }

  try {
    return await use({
      async read(name) {
        const [exists] = await sql`
          select to_regclass('vault.decrypted_secrets') is not null as vault
        `;
        return exists?.vault ? (await find(name))?.decrypted_secret : undefined;
      },
      async write(name, value, description) {
        const secret = await find(name);
        if (secret) await sql`select vault.update_secret(${secret.id}::uuid, ${value})`;
        else await sql`select vault.create_secret(${value}, ${name}, ${description})`;
      },
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new Error(`SUPABASE_DB_URL: ${reason}`, { cause: error });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
