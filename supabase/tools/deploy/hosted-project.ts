import { z } from "zod";
import { tooOld } from "../../local/postgres/migrations.ts";
import { supabaseCli, SupabaseCliError } from "../supabase-cli.ts";

const Push = z.object({ migrations: z.array(z.string()) });
const Functions = z.object({
  functions: z.array(z.object({ slug: z.string(), version: z.number(), status: z.string() })),
});
const Deployed = z.object({ functions: z.array(z.string()) });
const Secrets = z.object({ secrets: z.array(z.object({ name: z.string(), value: z.string() })) });

export interface DeployedFunction {
  slug: string;
  /** Counted up by the platform with every deployment. */
  version: number;
  status: string;
}

/** A hosted Supabase project, seen through the Supabase CLI. */
export interface HostedProject {
  /** The migrations `supabase db push` would apply, in order. */
  pendingMigrations(): Promise<string[]>;
  pushMigrations(): Promise<void>;
  functions(): Promise<DeployedFunction[]>;
  /** Deploys every function that `supabase/config.toml` names, and says which. */
  deployFunctions(): Promise<string[]>;
  /** The functions' secrets: SHA-256 of each value, in hex, by name. */
  secretDigests(): Promise<Map<string, string>>;
  setSecrets(secrets: Readonly<Record<string, string>>): Promise<void>;
}

export interface HostedProjectOptions {
  ref: string;
  accessToken?: string | undefined;
  databaseUrl?: string | undefined;
  profile?: string | undefined;
  workdir: string;
}

export function hostedProject(options: HostedProjectOptions): HostedProject {
  const place = ["--workdir", options.workdir];
  if (options.profile) place.push("--profile", options.profile);

  function api<Answer>(args: string[], answer: z.ZodType<Answer>): Promise<Answer> {
    return supabaseCli(
      [...args, `--remote=${options.ref}`, ...place],
      answer,
      options.accessToken ? { SUPABASE_ACCESS_TOKEN: options.accessToken } : {},
    );
  }

  async function push(...flags: string[]): Promise<z.infer<typeof Push>> {
    if (!options.databaseUrl) throw new Error("SUPABASE_DB_URL is missing");
    // The password goes by the environment: arguments can be read by every user of the machine.
    const url = new URL(options.databaseUrl);
    const password = decodeURIComponent(url.password);
    url.password = "";
    try {
      return await supabaseCli(
        ["db", "push", `--remote=${url.href}`, ...flags, ...place],
        Push,
        password ? { PGPASSWORD: password } : {},
      );
    } catch (error) {
      throw error instanceof SupabaseCliError ? explainPush(error) : error;
    }
  }

  let digests: Promise<Map<string, string>> | undefined;

  return {
    async pendingMigrations() {
      return (await push("--dry-run")).migrations;
    },
    async pushMigrations() {
      await push("--yes");
    },
    async functions() {
      return (await api(["functions", "list"], Functions)).functions;
    },
    async deployFunctions() {
      return (await api(["functions", "deploy", "--use-api", "--yes"], Deployed)).functions;
    },
    secretDigests() {
      digests ??= api(["secrets", "list"], Secrets).then(({ secrets }) =>
        new Map(secrets.map(({ name, value }) => [name, value]))
      );
      return digests;
    },
    async setSecrets(secrets) {
      digests = undefined;
      const file = await Deno.makeTempFile({ prefix: "phoenix-secrets-" });
      try {
        const lines = Object.entries(secrets).map(([name, value]) => `${name}='${value}'\n`);
        await Deno.writeTextFile(file, lines.join(""), { mode: 0o600 });
        await api(["secrets", "set", "--env-file", file, "--yes"], z.unknown());
      } finally {
        await Deno.remove(file);
      }
    },
  };
}

/** What to do about migrations that cannot be pushed, where the CLI's own advice does harm here. */
function explainPush(error: SupabaseCliError): Error {
  switch (error.code) {
    case "DbPushMissingRemoteError":
      // Its advice is to apply them all the same, in an order that no other database has.
      return new Error(tooOld(error.message.match(/[^/\s]+\.sql/g) ?? []));
    case "DbPushMissingLocalError": {
      // Its advice is to record them as reverted: they would be applied again, to a database that has what they make.
      const versions = error.message.match(/\b\d{14}\b/g) ?? [];
      return new Error(
        `The database has migrations that this version does not (${versions.join(", ")}): ` +
          "deploy the version that has them; for a rollback run --only functions.",
      );
    }
    case "DbConnectError":
      // Its advice is a variable that nothing here reads.
      return new Error(`SUPABASE_DB_URL: ${error.refusal}`);
    default:
      return error;
  }
}
