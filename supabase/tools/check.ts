/** `npm run check`: everything that can be said about the project without running it. Exits 1 when a step fails. */
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { startScratchCluster } from "../local/postgres/scratch-cluster.ts";
import { databaseFromMigrations, databaseFromSource } from "./schema/databases.ts";
import { drift } from "./schema/drift.ts";
import { generateTypes } from "./schema/generated-types.ts";
import { PROJECT_SCHEMA, TYPES_FILE } from "./schema/places.ts";
import { supabaseCli } from "./supabase-cli.ts";

interface Step {
  name: string;
  /** What is wrong; the empty text when nothing is. */
  run(): Promise<string>;
}

const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** How many steps run at once. */
const LANES = 2;

/** How many lines of drift are printed; `npm run db:migration` writes all of it. */
const SHOWN_OF_DRIFT = 40;

const Advice = z.object({
  results: z.array(z.object({ level: z.string(), detail: z.string(), remediation: z.string() })),
});

async function main(): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const databases = startScratchCluster().then(async (cluster) => {
    stack.use(cluster);
    return {
      source: await databaseFromSource(cluster, PROJECT_SCHEMA),
      migrated: await databaseFromMigrations(cluster, PROJECT_SCHEMA),
    };
  });
  // The steps that wait for the databases report it.
  databases.catch(() => {});

  // The longest first.
  const failures = await runAll([
    deno("types", ["check", "--quiet", "**/*.ts"]),
    deno("lint", ["lint", "--quiet"]),
    deno("format", ["fmt", "--check"]),
    {
      name: "migrations give what sql/ says",
      async run() {
        const { source, migrated } = await databases;
        const lines = (await drift(migrated, source)).split("\n");
        const shown = lines.slice(0, SHOWN_OF_DRIFT).join("\n");
        const more = lines.length > SHOWN_OF_DRIFT ? `\n… ${lines.length} lines in all` : "";
        return shown && `${shown}${more}\n\nRun npm run db:migration -- <name>`;
      },
    },
    {
      name: "generated types are fresh",
      async run() {
        const { source } = await databases;
        const written = await Deno.readTextFile(TYPES_FILE);
        return written === await generateTypes(source) ? "" : "Run npm run db:types";
      },
    },
    {
      name: "Supabase's advisors",
      async run() {
        const { migrated } = await databases;
        const { results } = await supabaseCli(
          ["db", "advisors", "--level", "warn", "--fail-on", "none", `--remote=${migrated.url}`],
          Advice,
        );
        return results.map((each) => `${each.level}: ${each.detail} ${each.remediation}`).join(
          "\n",
        );
      },
    },
  ]);
  if (failures > 0) console.log(`\n${failures} failed`);
  return failures > 0 ? 1 : 0;
}

function deno(name: string, args: string[]): Step {
  return {
    name,
    async run() {
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args,
        cwd: PROJECT_ROOT,
        env: Deno.stdout.isTerminal() ? {} : { NO_COLOR: "1" },
        stdin: "null",
      }).output();
      if (success) return "";
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
      return [decode(stdout), decode(stderr)].filter(Boolean).join("\n") ||
        `deno ${args[0]} failed`;
    },
  };
}

/** Runs the steps, a few at a time, prints a line for each, and says how many failed. */
async function runAll(steps: readonly Step[]): Promise<number> {
  const waiting = steps.values();
  let failures = 0;
  async function lane(): Promise<void> {
    for (const step of waiting) {
      const startedAt = performance.now();
      const wrong = await step.run().catch((error) =>
        error instanceof Error ? error.message : String(error)
      );
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`${wrong ? "failed" : "ok    "} ${seconds.padStart(5)} s  ${step.name}`);
      if (wrong) {
        failures++;
        console.log(wrong.replaceAll(/^/gm, "  "));
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane));
  return failures;
}

if (import.meta.main) Deno.exit(await main());
