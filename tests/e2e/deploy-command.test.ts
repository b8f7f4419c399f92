import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import {
  type ScratchCluster,
  startScratchCluster,
} from "../../supabase/local/postgres/scratch-cluster.ts";
import { VARIABLE_NAMES } from "../../supabase/tools/deploy/settings.ts";
import { startManagementApi } from "../support/management-api.ts";
import { startQstashRecorder } from "../support/qstash-recorder.ts";
import { writeSampleProject } from "../support/sample-project.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COMMAND = join(ROOT, "supabase/tools/deploy.ts");

// Each run of the command starts the Supabase CLI several times, and that is a large program.
vi.setConfig({ testTimeout: 300_000 });

let temporary: string;
let cluster: ScratchCluster;

beforeAll(async () => {
  temporary = await Deno.makeTempDir({ prefix: "phoenix-deploy-command-" });
  cluster = await startScratchCluster();
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await Deno.remove(temporary, { recursive: true });
});

/** A hosted project of the test's own, empty, and a way to run the command against it. */
async function emptyProject() {
  const folder = await Deno.makeTempDir({ dir: temporary });
  const { url: databaseUrl, sql } = await cluster.createDatabase();
  const api = await startManagementApi(folder);
  const qstash = startQstashRecorder();
  const workdir = join(folder, "project");
  await writeSampleProject(workdir, ["events", "health"]);
  onTestFinished(async () => {
    await Promise.all([api.stop(), qstash.stop()]);
  });

  const environment = {
    SUPABASE_PROJECT_REF: api.projectRef,
    SUPABASE_ACCESS_TOKEN: api.accessToken,
    SUPABASE_DB_URL: databaseUrl,
    QSTASH_URL: qstash.url,
    QSTASH_TOKEN: qstash.token,
    QSTASH_CURRENT_SIGNING_KEY: "sig_current_of_the_test",
    QSTASH_NEXT_SIGNING_KEY: "sig_next_of_the_test$HOME",
  };
  return {
    api,
    qstash,
    sql,
    workdir,
    environment,
    /** Everything that a deployment changes, to compare before and after. */
    async state() {
      return {
        functions: [...api.functions].map(([name, { version }]) => `${name}@${version}`),
        secrets: Object.fromEntries(api.secrets),
        vault: await vault(sql),
        schedules: [...qstash.schedules.values()],
        migrations: await migrations(sql),
        writes: [...api.writes, ...qstash.writes],
      };
    },
    async deploy(args: string[], changes: Record<string, string | undefined> = {}) {
      const variables = Object.entries({ ...environment, ...changes })
        .filter((entry): entry is [string, string] => entry[1] !== undefined);
      const output = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", COMMAND, "--profile", api.profile, "--workdir", workdir, ...args],
        clearEnv: true,
        env: {
          ...Object.fromEntries(variables),
          HOME: folder,
          SUPABASE_HOME: folder,
          DENO_DIR: join(temporary, "deno"),
          PATH: Deno.env.get("PATH") ?? "",
        },
        stdin: "null",
      }).output();
      const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      return {
        code: output.code,
        said: decode(output.stdout),
        complained: decode(output.stderr),
      };
    },
  };
}

async function vault(sql: postgres.Sql): Promise<Record<string, string>> {
  const rows = await sql<{ name: string; decrypted_secret: string }[]>`
    select name, decrypted_secret from vault.decrypted_secrets
  `;
  return Object.fromEntries(rows.map((row) => [row.name, row.decrypted_secret]));
}

async function migrations(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ version: string }[]>`
    select version from supabase_migrations.schema_migrations order by version
  `;
  return rows.map((row) => row.version);
}

test("deploys an empty project whole without showing a secret, and changes nothing the second time", async () => {
  const project = await emptyProject();
  const first = await project.deploy(["--yes"]);
  expect(first.complained).toBe("");
  expect(first.code).toBe(0);

  const ring = `https://${project.api.projectRef}.supabase.co/functions/v1/events/process-queue`;
  const state = await project.state();
  expect(state).toMatchObject({
    functions: ["events@1", "health@1"],
    secrets: {
      QSTASH_URL: project.qstash.url,
      QSTASH_TOKEN: project.qstash.token,
      QSTASH_CURRENT_SIGNING_KEY: "sig_current_of_the_test",
      QSTASH_NEXT_SIGNING_KEY: "sig_next_of_the_test$HOME",
      PHOENIX_DOORBELL_SECRET: expect.stringMatching(/^[0-9a-f]{64}$/),
    },
    vault: {
      phoenix_doorbell_url: ring,
      phoenix_doorbell_secret: project.api.secrets.get("PHOENIX_DOORBELL_SECRET"),
    },
    schedules: [
      {
        scheduleId: "phoenix-sweep",
        cron: "* * * * *",
        method: "POST",
        destination: ring,
        retries: 0,
      },
    ],
    migrations: ["20250101000000"],
  });
  expect(Object.keys(state.secrets)).not.toContain("SUPABASE_ACCESS_TOKEN");

  const second = await project.deploy(["--yes"]);
  expect(second.code).toBe(0);
  expect(second.said.match(/ unchanged$/gm)).toHaveLength(5);
  expect(await project.state()).toEqual(state);

  const shown = first.said + second.said;
  expect(shown).not.toContain(new URL(project.environment.SUPABASE_DB_URL).password);
  expect(shown).not.toContain(project.api.accessToken);
  for (const [name, secret] of project.api.secrets) {
    if (name !== "QSTASH_URL") expect(shown).not.toContain(secret);
  }
});

test("says what it would do, and with --dry-run does none of it", async () => {
  const project = await emptyProject();
  const before = await project.state();
  const { code, said } = await project.deploy(["--dry-run"]);
  expect(code).toBe(0);
  expect(said).toContain("apply 20250101000000_sample.sql");
  expect(said).toContain("deploy events");
  expect(said).toContain("set QSTASH_TOKEN");
  expect(said).toContain("create phoenix_doorbell_url = https://");
  expect(said).toContain("create phoenix-sweep (* * * * *) -> https://");
  expect(await project.state()).toEqual(before);
});

test("refuses a migration older than what is applied, and says what to do about it", async () => {
  const project = await emptyProject();
  await project.deploy(["--yes", "--only", "db"]);
  const before = await project.state();
  await Deno.writeTextFile(
    join(project.workdir, "supabase/migrations/20240101000000_late.sql"),
    "create table public.late (id bigint);\n",
  );
  const { code, complained } = await project.deploy(["--yes", "--only", "db"]);
  expect(code).toBe(1);
  expect(complained).toContain(
    "Rename what is older than the last applied migration to a later timestamp: 20240101000000_late.sql.",
  );
  expect(complained).not.toContain("--include-all");
  expect(await project.state()).toEqual(before);
});

test("refuses to deploy what is older than the database, and does not advise anybody to falsify its history", async () => {
  const project = await emptyProject();
  await project.deploy(["--yes", "--only", "db"]);
  await project.sql`
    insert into supabase_migrations.schema_migrations (version, name)
    values ('20990101000000', 'newer'), ('20990102000000', 'newest')`;
  const before = await project.state();
  const { code, complained } = await project.deploy(["--yes", "--only", "db"]);
  expect(code).toBe(1);
  expect(complained).toContain(
    "The database has migrations that this version does not (20990101000000, 20990102000000): " +
      "deploy the version that has them; for a rollback run --only functions.",
  );
  expect(complained).not.toContain("repair");
  expect(await project.state()).toEqual(before);
});

test.each(["db", "vault"])("a wrong password is told as SUPABASE_DB_URL's (%s)", async (step) => {
  const project = await emptyProject();
  const url = new URL(project.environment.SUPABASE_DB_URL);
  url.password = "wrong";
  const { code, complained } = await project.deploy(["--yes", "--only", step], {
    SUPABASE_DB_URL: url.href,
  });
  expect(code).toBe(1);
  expect(complained).toMatch(/cannot be planned: SUPABASE_DB_URL: .*authentication failed/);
  expect(complained).not.toContain("SUPABASE_DB_PASSWORD");
});

test("does nothing without a yes", async () => {
  const project = await emptyProject();
  const before = await project.state();
  const { code, complained } = await project.deploy(["--only", "vault,schedules"]);
  expect(code).toBe(1);
  expect(complained).toContain("not confirmed");
  expect(await project.state()).toEqual(before);
});

test("names every variable that is missing or wrong, before it changes anything", async () => {
  const project = await emptyProject();
  const before = await project.state();
  const { code, complained } = await project.deploy(["--yes"], {
    SUPABASE_PROJECT_REF: "Not A Reference",
    SUPABASE_ACCESS_TOKEN: undefined,
    QSTASH_TOKEN: "",
    UPSTASH_REDIS_REST_URL: "https://redis.example",
  });
  expect(code).toBe(1);
  expect(complained).toContain("SUPABASE_PROJECT_REF must be");
  expect(complained).toContain("SUPABASE_ACCESS_TOKEN is missing: needed for functions, secrets");
  expect(complained).toContain("QSTASH_TOKEN is missing: needed for secrets, schedules");
  expect(complained).toContain("UPSTASH_REDIS_REST_TOKEN is missing");
  expect(await project.state()).toEqual(before);
});

test("reads .env, with or without a byte order mark, and says in .env.example what every variable is", async () => {
  const project = await emptyProject();
  const { SUPABASE_PROJECT_REF, QSTASH_TOKEN, QSTASH_URL } = project.environment;
  const variables =
    `SUPABASE_PROJECT_REF=${SUPABASE_PROJECT_REF}\nQSTASH_TOKEN=${QSTASH_TOKEN}\nQSTASH_URL=overridden\n`;
  for (const text of [variables, `\uFEFF${variables}`]) {
    await Deno.writeTextFile(join(project.workdir, ".env"), text);
    const { code } = await project.deploy(["--dry-run", "--only", "schedules"], {
      SUPABASE_PROJECT_REF: undefined,
      QSTASH_TOKEN: undefined,
      QSTASH_URL,
    });
    expect(code).toBe(0);
  }

  const example = await Deno.readTextFile(join(ROOT, ".env.example"));
  expect(Object.keys(parseEnv(example))).toEqual(VARIABLE_NAMES);
});

test("asks only for what the chosen steps need", async () => {
  const project = await emptyProject();
  const { code } = await project.deploy(["--yes", "--only", "schedules"], {
    SUPABASE_ACCESS_TOKEN: undefined,
    SUPABASE_DB_URL: undefined,
    QSTASH_CURRENT_SIGNING_KEY: undefined,
    QSTASH_NEXT_SIGNING_KEY: undefined,
  });
  expect(code).toBe(0);
  expect([...project.qstash.schedules.keys()]).toEqual(["phoenix-sweep"]);
  expect(project.api.writes).toEqual([]);
});

test("changes nothing when it cannot look at the project first", async () => {
  const project = await emptyProject();
  const before = await project.state();
  const { code, complained } = await project.deploy(["--yes", "--only", "vault,secrets"], {
    SUPABASE_ACCESS_TOKEN: `sbp_${"f".repeat(40)}`,
  });
  expect(code).toBe(1);
  expect(complained).toMatch(/secrets cannot be planned: .*Unauthorized/);
  expect(complained).toContain("Nothing was changed.");
  expect(await project.state()).toEqual(before);
});

test("stops at the step that fails, says so in one line, and goes on from there the next time", async () => {
  const project = await emptyProject();
  project.api.failOn("/secrets", "POST", 400);
  const failed = await project.deploy(["--yes", "--only", "schedules,secrets,vault"]);
  expect(failed.code).toBe(1);
  expect(failed.said).toMatch(/vault +done/);
  expect(failed.said).toMatch(/secrets +failed/);
  expect(failed.complained).toContain("refused by the test");
  expect(failed.complained).toContain("--only secrets,schedules");
  expect(await project.state()).toMatchObject({ secrets: {}, schedules: [] });

  project.api.failOn("/secrets", "POST", undefined);
  const resumed = await project.deploy(["--yes", "--only", "secrets,schedules"]);
  expect(resumed.code).toBe(0);
  const { secrets, vault, schedules } = await project.state();
  expect(secrets.PHOENIX_DOORBELL_SECRET).toBe(vault.phoenix_doorbell_secret);
  expect(schedules).toHaveLength(1);
});

test("gives the functions no doorbell secret that the vault does not keep", async () => {
  const project = await emptyProject();
  const { code, complained } = await project.deploy(["--yes", "--only", "secrets"]);
  expect(code).toBe(1);
  expect(complained).toContain("run the step vault too");
  expect(project.api.writes).toEqual([]);
});

test("gives the functions no doorbell secret but the one that the vault keeps", async () => {
  const project = await emptyProject();
  await project.sql`select vault.create_secret(${"a".repeat(32)}, 'phoenix_doorbell_secret')`;
  const give = (secret: string) =>
    project.deploy(["--yes", "--only", "secrets"], { PHOENIX_DOORBELL_SECRET: secret });
  const { code, complained } = await give("b".repeat(32));
  expect(code).toBe(1);
  expect(complained).toContain(
    "The vault has another doorbell secret than PHOENIX_DOORBELL_SECRET: run the step vault too, or leave it unset.",
  );
  expect(project.api.writes).toEqual([]);
  expect((await give("a".repeat(32))).code).toBe(0);
});

test("deploys the functions again when a source changed, or when someone else deployed", async () => {
  const project = await emptyProject();
  await project.deploy(["--yes", "--only", "functions"]);

  project.api.deployElsewhere("health");
  const overtaken = await project.deploy(["--dry-run", "--only", "functions"]);
  expect(overtaken.said).toContain("deploy health");

  await Deno.writeTextFile(join(project.workdir, "shared/greeting.ts"), "\n// changed\n", {
    append: true,
  });
  await project.deploy(["--yes", "--only", "functions"]);
  expect((await project.state()).functions).toEqual(["events@2", "health@3"]);

  // Whether the platform checks tokens is said there.
  await Deno.writeTextFile(join(project.workdir, "supabase/config.toml"), "\n# changed\n", {
    append: true,
  });
  const reconfigured = await project.deploy(["--dry-run", "--only", "functions"]);
  expect(reconfigured.said).toContain("deploy events");
});

test("does not take a function for deployed that supabase/config.toml forgets", async () => {
  const project = await emptyProject();
  await Deno.mkdir(join(project.workdir, "functions/forgotten"));
  await Deno.writeTextFile(join(project.workdir, "functions/forgotten/index.ts"), "export {};\n");
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { code, complained } = await project.deploy(["--yes", "--only", "functions"]);
    expect(code).toBe(1);
    expect(complained).toContain("supabase/config.toml does not name forgotten: not deployed");
  }
});

test("takes flags before the environment, and a file of variables that is named only if it is there", async () => {
  const project = await emptyProject();
  const { SUPABASE_PROJECT_REF, ...others } = project.environment;
  const file = join(project.workdir, "staging.env");
  const dryRun = (args: string[]) =>
    project.deploy(["--dry-run", "--only", "schedules", ...args], {
      ...others,
      SUPABASE_PROJECT_REF: undefined,
    });

  const missing = await dryRun(["--env-file", file]);
  expect(missing.code).toBe(1);
  expect(missing.complained).toContain("staging.env");

  await Deno.writeTextFile(file, "SUPABASE_PROJECT_REF=stagingstagingstagin\n");
  const named = ["--env-file", file, "--functions-url", "https://phoenix.example/f"];
  const staging = await dryRun(named);
  expect(staging.said).toContain("Plan for project stagingstagingstagin");
  expect(staging.said).toContain("-> https://phoenix.example/f/events/process-queue");
  const flagged = await dryRun([...named, "--project-ref", SUPABASE_PROJECT_REF]);
  expect(flagged.said).toContain(`Plan for project ${SUPABASE_PROJECT_REF}`);
  expect((await dryRun(["--only", "everything"])).complained).toContain(
    "--only takes some of db,functions,vault,secrets,schedules",
  );
});

test("rotates the doorbell's secret in the functions and in the vault", async () => {
  const project = await emptyProject();
  await project.deploy(["--yes", "--only", "secrets,vault"]);
  const rotated = "f".repeat(64);
  const { code } = await project.deploy(["--yes", "--only", "secrets,vault"], {
    PHOENIX_DOORBELL_SECRET: rotated,
  });
  expect(code).toBe(0);
  expect(project.api.secrets.get("PHOENIX_DOORBELL_SECRET")).toBe(rotated);
  expect((await vault(project.sql)).phoenix_doorbell_secret).toBe(rotated);
});
