import { randomBytes } from "node:crypto";
import type { Settings, StepName } from "./settings.ts";
import { withVault } from "./vault.ts";

/** The secret that the database and the functions share, and where it comes from. */
export interface DoorbellSecret {
  value: string;
  origin: "given" | "kept from the vault" | "generated";
}

/**
 * The operator's own secret, or the one the vault already holds, or a new one of 32 random bytes. Asking the vault first
 * is what makes a second deployment change nothing.
 *
 * @param steps the steps that are to run: a new secret is made, and another than the vault's is taken, only where the vault will
 *   keep it
 */
export async function doorbellSecret(
  settings: Settings,
  steps: readonly StepName[],
): Promise<DoorbellSecret> {
  const { PHOENIX_DOORBELL_SECRET: given, SUPABASE_DB_URL: databaseUrl } = settings;
  const vaultFollows = steps.includes("vault");
  if (given && vaultFollows) return { value: given, origin: "given" };
  const kept = databaseUrl &&
    await withVault(databaseUrl, (vault) => vault.read("phoenix_doorbell_secret"));
  if (given) {
    // With two secrets the functions would refuse each ring, and each event would wait for the sweep.
    if (kept && kept !== given) {
      throw new Error(
        "The vault has another doorbell secret than PHOENIX_DOORBELL_SECRET: run the step vault too, or leave it unset.",
      );
    }
    return { value: given, origin: "given" };
  }
  if (kept) return { value: kept, origin: "kept from the vault" };
  if (!vaultFollows) {
    throw new Error("The vault has no doorbell secret yet: run the step vault too, or first.");
  }
  return { value: randomBytes(32).toString("hex"), origin: "generated" };
}
