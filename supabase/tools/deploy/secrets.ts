import { type Settings, VARIABLE_NAMES, VARIABLES } from "./settings.ts";
import { sha256 } from "./sha256.ts";
import type { PlanStep } from "./step.ts";

/** `supabase secrets set`: the variables of the functions whose value the project does not have. */
export const planSecrets: PlanStep = async ({ settings, doorbellSecret, project }) => {
  const wanted = functionSecrets({ ...settings, PHOENIX_DOORBELL_SECRET: doorbellSecret?.value });
  const digests = await project.secretDigests();
  const changed = Object.entries(wanted).filter(([name, value]) =>
    digests.get(name) !== sha256(value)
  );
  return {
    changes: changed.map(([name]) => `${digests.has(name) ? "change" : "set"} ${name}`),
    apply: () => project.setSecrets(Object.fromEntries(changed)),
  };
};

function functionSecrets(
  settings: { [name in keyof Settings]: string | undefined },
): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const name of VARIABLE_NAMES) {
    const value = settings[name];
    if (VARIABLES[name].toFunctions && value !== undefined) secrets[name] = value;
  }
  return secrets;
}
