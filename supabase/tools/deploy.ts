import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import { planDatabase } from "./deploy/database.ts";
import { planDoorbell } from "./deploy/doorbell.ts";
import { doorbellSecret } from "./deploy/doorbell-secret.ts";
import { planFunctions } from "./deploy/functions.ts";
import { hostedProject } from "./deploy/hosted-project.ts";
import { type DeployOptions, parseOptions, USAGE } from "./deploy/options.ts";
import { planSchedules } from "./deploy/schedules.ts";
import { planSecrets } from "./deploy/secrets.ts";
import { describeSettings, need, readSettings, type StepName } from "./deploy/settings.ts";
import type { DeployContext, PlannedStep, PlanStep } from "./deploy/step.ts";

const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));

const PLANNERS: Record<StepName, PlanStep> = {
  db: planDatabase,
  functions: planFunctions,
  vault: planDoorbell,
  secrets: planSecrets,
  schedules: planSchedules,
};

/** A step that failed, while it looked at the hosted project or while it changed it. */
class StepError extends Error {
  constructor(readonly step: StepName, readonly changing: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Plans, asks, deploys. The exit code: 0 when the hosted project is as it should be, or the plan was all that was wanted. */
async function deploy(options: DeployOptions): Promise<number> {
  const workdir = options.workdir ? resolve(options.workdir) : PROJECT_ROOT;
  const { settings, problems } = readSettings(
    await environment(options, workdir),
    options.steps,
  );
  console.log("Settings");
  for (const line of describeSettings(settings, problems)) console.log(`  ${line}`);
  if (problems.length > 0) {
    console.error(`\nNot deployed:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    return 1;
  }

  const doorbellStep = options.steps.find((step) => step === "vault" || step === "secrets");
  const secret = doorbellStep &&
    await look(doorbellStep, () => doorbellSecret(settings, options.steps));
  const context: DeployContext = {
    settings,
    project: hostedProject({
      ref: need(settings, "SUPABASE_PROJECT_REF"),
      accessToken: settings.SUPABASE_ACCESS_TOKEN,
      databaseUrl: settings.SUPABASE_DB_URL,
      profile: options.profile && resolve(options.profile),
      workdir,
    }),
    doorbellSecret: secret,
    workdir,
  };
  const plan = await Promise.all(options.steps.map(async (step) => ({
    step,
    planned: await look(step, () => PLANNERS[step](context)),
  })));

  console.log(`\nPlan for project ${need(settings, "SUPABASE_PROJECT_REF")}`);
  if (secret) console.log(`  The doorbell secret is ${secret.origin}.`);
  for (const { step, planned } of plan) describePlan(step, planned);
  const pending = plan.filter(({ planned }) => planned.changes.length > 0);
  if (options.dryRun) return 0;
  if (pending.length > 0 && !options.yes && !confirm("\nGo ahead?")) {
    console.error("Not deployed: not confirmed. In a script, confirm with --yes.");
    return 1;
  }

  console.log("\nDeploying");
  for (const { step, planned } of plan) {
    if (planned.changes.length > 0) await change(step, () => planned.apply());
    report(step, planned.changes.length > 0 ? "done" : "unchanged");
  }
  return 0;
}

/** The environment, under it the variables of the `.env` file, over it the flags. */
async function environment(
  options: DeployOptions,
  workdir: string,
): Promise<Record<string, string | undefined>> {
  const file = options.envFile ?? resolve(workdir, ".env");
  const text = await Deno.readTextFile(file).catch((error) => {
    if (error instanceof Deno.errors.NotFound && !options.envFile) return "";
    throw error;
  });
  // Some editors begin a file with a byte order mark, which would be taken for a part of the first name.
  const variables = parseEnv(text.replace(/^\uFEFF/, ""));
  return { ...variables, ...Deno.env.toObject(), ...options.overrides };
}

async function look<Result>(step: StepName, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw new StepError(step, false, error);
  }
}

async function change(step: StepName, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    report(step, "failed");
    throw new StepError(step, true, error);
  }
}

function describePlan(step: StepName, { changes, note }: PlannedStep): void {
  const lines = changes.length > 0 ? changes : ["nothing to do"];
  for (const [index, line] of [...lines, ...(note ? [`note: ${note}`] : [])].entries()) {
    console.log(`  ${(index === 0 ? step : "").padEnd(10)} ${line}`);
  }
}

function report(step: StepName, outcome: string): void {
  console.log(`  ${step.padEnd(10)} ${outcome}`);
}

async function main(args: readonly string[]): Promise<number> {
  let steps: readonly StepName[] = [];
  try {
    const options = parseOptions(args);
    steps = options.steps;
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    return await deploy(options);
  } catch (error) {
    if (!(error instanceof StepError)) {
      console.error(error instanceof Error ? error.message : error);
    } else if (!error.changing) {
      console.error(`\n${error.step} cannot be planned: ${error.message}\nNothing was changed.`);
    } else {
      const left = steps.slice(steps.indexOf(error.step)).join(",");
      console.error(
        `\n${error.step} failed: ${error.message}\nWhat was done before it stays. ` +
          `Run the same command again, or only the rest: --only ${left}`,
      );
    }
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
