import type postgres from "postgres";
import type { StackEnv } from "./stack-env.ts";

/**
 * Tells the database where its webhook rings and how to sign it, by the two vault secrets that a hosted project gets at deployment.
 *
 * @param sql a connection that may change vault secrets
 */
export async function keepDoorbell(sql: postgres.Sql, env: StackEnv): Promise<void> {
  await keepSecret(sql, "phoenix_doorbell_url", `${env.FUNCTIONS_URL}/events/process-queue`);
  await keepSecret(sql, "phoenix_doorbell_secret", env.DOORBELL_SECRET);
}

async function keepSecret(sql: postgres.Sql, name: string, value: string): Promise<void> {
  const [kept] = await sql`
    select id, decrypted_secret from vault.decrypted_secrets where name = ${name}`;
  if (!kept) await sql`select vault.create_secret(${value}, ${name})`;
  else if (kept.decrypted_secret !== value) {
    await sql`select vault.update_secret(${kept.id}, ${value})`;
  }
}
