import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { DeployedFunction, HostedProject } from "./hosted-project.ts";
import { sha256 } from "./sha256.ts";
import type { PlanStep } from "./step.ts";

/**
 * The secret that remembers a deployment. The platform's version numbers say that a function was deployed and not
 * from which sources, and deploying the same sources again makes a new version. So the command leaves a fingerprint of
 * both, and deploys when either has changed: the sources here, or the versions there (someone else deployed).
 */
const RECEIPT = "PHOENIX_DEPLOYED_SOURCES";

/** `supabase functions deploy --use-api`: every function, when sources or deployed versions changed. */
export const planFunctions: PlanStep = async ({ project, workdir }) => {
  const [names, sources, deployed, digests] = await Promise.all([
    functionNames(workdir),
    digestSources(workdir),
    project.functions(),
    project.secretDigests(),
  ]);
  const unchanged = names.every((name) => deployed.some(({ slug }) => slug === name)) &&
    digests.get(RECEIPT) === sha256(receipt(sources, names, deployed));
  return {
    changes: unchanged ? [] : names.map((name) => `deploy ${name}`),
    apply: () => deployAll(project, names, sources),
  };
};

async function deployAll(project: HostedProject, names: readonly string[], sources: string) {
  const uploaded = await project.deployFunctions();
  const forgotten = names.filter((name) => !uploaded.includes(name));
  if (forgotten.length > 0) {
    throw new Error(`supabase/config.toml does not name ${forgotten.join(", ")}: not deployed`);
  }
  const deployed = await project.functions();
  await project.setSecrets({ [RECEIPT]: receipt(sources, names, deployed) });
}

/** The folders of `functions/`, sorted. */
async function functionNames(workdir: string): Promise<string[]> {
  const entries = await readdir(join(workdir, "functions"), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
}

async function digestSources(workdir: string): Promise<string> {
  const hash = createHash("sha256");
  const folders = await Promise.all(["functions", "shared"].map((name) => files(workdir, name)));
  for (const file of [...folders.flat(), join(workdir, "supabase/config.toml")].sort()) {
    const content = await readFile(file);
    hash.update(`${relative(workdir, file)}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

async function files(workdir: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(workdir, folder), { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) =>
    join(entry.parentPath, entry.name)
  );
}

function receipt(sources: string, names: readonly string[], deployed: DeployedFunction[]): string {
  const versions = deployed
    .filter(({ slug }) => names.includes(slug))
    .map(({ slug, version }) => `${slug}@${version}`)
    .sort();
  return sha256([sources, ...versions].join("\n"));
}
