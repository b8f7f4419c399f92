import { functionsUrl, need } from "./settings.ts";
import type { PlanStep } from "./step.ts";
import { withVault } from "./vault.ts";

/** The vault secrets from which the database's doorbell learns where to ring, and how to sign. */
export const planDoorbell: PlanStep = async ({ settings, doorbellSecret }) => {
  const databaseUrl = need(settings, "SUPABASE_DB_URL");
  if (!doorbellSecret) throw new Error("PHOENIX_DOORBELL_SECRET is missing");
  const ring = `${functionsUrl(settings)}/events/process-queue`;
  const wanted = [
    { name: "phoenix_doorbell_url", value: ring, shown: ` = ${ring}`, about: "where to ring" },
    {
      name: "phoenix_doorbell_secret",
      value: doorbellSecret.value,
      shown: "",
      about: "signs the ring; the functions have it as PHOENIX_DOORBELL_SECRET",
    },
  ];
  const current = await withVault(
    databaseUrl,
    (vault) => Promise.all(wanted.map(({ name }) => vault.read(name))),
  );
  const changed = wanted.filter(({ value }, index) => current[index] !== value);
  return {
    changes: changed.map((secret) => {
      const verb = current[wanted.indexOf(secret)] === undefined ? "create" : "change";
      return `${verb} ${secret.name}${secret.shown}`;
    }),
    apply: () =>
      withVault(databaseUrl, async (vault) => {
        for (const { name, value, about } of changed) await vault.write(name, value, about);
      }),
  };
};
