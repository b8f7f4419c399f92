import { parseArgs } from "node:util";
import { z } from "zod";
import { STEP_NAMES, type StepName } from "./settings.ts";

export const USAGE = `Usage: npm run deploy -- [options]

Deploys Phoenix Flywheel to a hosted Supabase project. Says what it will do, asks, and does it.
Running it again changes only what has changed. Variables: .env.example; the steps: docs/deploying.md.

  --project-ref <ref>     the project (SUPABASE_PROJECT_REF)
  --functions-url <url>   where the functions answer, for a custom domain (PHOENIX_FUNCTIONS_URL)
  --env-file <file>       variables to read beside the environment's own (default: .env, if there)
  --only <steps>          some of ${STEP_NAMES.join(",")}
  --dry-run               stop after the plan
  --yes                   do not ask
  --profile <file>        a Supabase CLI profile, for another Management API
  --workdir <folder>      the project's folder (default: this one)
  --help                  this text`;

const Options = z.object({
  "project-ref": z.string().optional(),
  "functions-url": z.string().optional(),
  "env-file": z.string().optional(),
  only: z.string()
    .transform((list) => list.split(",").map((name) => name.trim()))
    .pipe(z.array(z.enum(STEP_NAMES, `--only takes some of ${STEP_NAMES.join(",")}`)))
    .optional(),
  "dry-run": z.boolean().default(false),
  yes: z.boolean().default(false),
  profile: z.string().optional(),
  workdir: z.string().optional(),
  help: z.boolean().default(false),
});

/** The command's flags. `only` is in the order the steps run in, whatever order it was typed in. */
export interface DeployOptions {
  steps: readonly StepName[];
  /** Variables given as flags: they win over the environment. */
  overrides: Record<string, string>;
  envFile?: string | undefined;
  dryRun: boolean;
  yes: boolean;
  profile?: string | undefined;
  workdir?: string | undefined;
  help: boolean;
}

/** @throws {Error} with one line that names the flag at fault */
export function parseOptions(args: readonly string[]): DeployOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "project-ref": { type: "string" },
      "functions-url": { type: "string" },
      "env-file": { type: "string" },
      only: { type: "string" },
      "dry-run": { type: "boolean" },
      yes: { type: "boolean" },
      profile: { type: "string" },
      workdir: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const parsed = Options.safeParse(values);
  if (!parsed.success) throw new Error(parsed.error.issues[0]?.message);
  const options = parsed.data;
  const overrides: Record<string, string> = {};
  if (options["project-ref"]) overrides.SUPABASE_PROJECT_REF = options["project-ref"];
  if (options["functions-url"]) overrides.PHOENIX_FUNCTIONS_URL = options["functions-url"];
  return {
    steps: STEP_NAMES.filter((name) => options.only?.includes(name) ?? true),
    overrides,
    envFile: options["env-file"],
    dryRun: options["dry-run"],
    yes: options.yes,
    profile: options.profile,
    workdir: options.workdir,
    help: options.help,
  };
}
