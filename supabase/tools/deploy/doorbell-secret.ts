import { randomBytes } from "node:crypto";
import { type Settings } from "./settings.ts";
import { withVault } from "./vault.ts";

/** The secret that the database and the functions share, and where it comes from. */
export interface DoorbellSecret {
  value: string;
  origin: "given" | "kept from the vault" | "generated";
}

/**
 * The operator's own secret, or the one the vault already holds, or a new one of 32 random bytes. Asking the vault first
 * is what makes a second deployment change nothing.
 */
export async function doorbellSecret(settings: Settings): Promise<DoorbellSecret> {
  const { PHOENIX_DOORBELL_SECRET: given, SUPABASE_DB_URL: databaseUrl } = settings;
  if (given) return { value: given, origin: "given" };
  const kept = databaseUrl &&
    await withVault(databaseUrl, (vault) => vault.read("phoenix_doorbell_secret"));
  return kept
    ? { value: kept, origin: "kept from the vault" }
    : { value: randomBytes(32).toString("hex"), origin: "generated" };
}
