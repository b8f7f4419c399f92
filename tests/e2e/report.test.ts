import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { lockDataFolder } from "../../supabase/local/data-folder.ts";
import { writeStatus } from "../../supabase/local/status-file.ts";
import { asAnalyst } from "../../supabase/tools/report/as-analyst.ts";
import { type Figures, readFigures } from "../../supabase/tools/report/figures.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { awayFromMidnight } from "../support/midnight.ts";
import { runReport } from "../support/report-command.ts";
import { HOSTILE_JOB, writeHistory } from "../support/report-history.ts";
import { testStack } from "../support/stack.ts";
import { tempFolder } from "../support/temp-folder.ts";

let folder: Awaited<ReturnType<typeof tempFolder>>;
let base: TestDatabase;

/** What the report is to say; it counts days, and so is another one after midnight. */
const readNow = (): Promise<Figures> =>
  asAnalyst(base.url, (sql) => readFigures(sql, { days: 30, weeks: 13 }));

beforeAll(async () => {
  folder = await tempFolder();
  base = await testDatabase();
  await writeHistory(base);
});

afterAll(async () => {
  await base[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(() => awayFromMidnight());

test("prints the figures of the stack that runs here, and says where the page is", async () => {
  const data = await lockDataFolder(join(folder.path, "running"));
  try {
    await writeStatus(data.path, { ...testStack().env, DB_URL: base.url });
    const { code, stdout, stderr } = await runReport(folder.path, [], {
      PHOENIX_DATA_DIR: data.path,
    });
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toContain("Phoenix, 30 UTC days");
    const figures = await readNow();
    expect(stdout).toContain(figures.ecosystem.total_events.toLocaleString("en-GB"));
    expect(stdout).toMatch(/1 exploration_commencée +█+ +150/);
    expect(stdout).toMatch(/letters_to_cv +a +█.+15\.8% {2}19 of 120/);
    expect(stdout).toContain("With plots: .phoenix/report.html");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).not.toContain(new URL(base.url).password);
    const page = await Deno.readTextFile(join(folder.path, ".phoenix/report.html"));
    const [script] = HOSTILE_JOB.split("\u001b");
    expect(page).toContain("&lt;script&gt;document.title");
    expect(page).not.toContain(script);
    expect(page).not.toContain(new URL(base.url).password);
  } finally {
    data.unlock();
  }
});

test("prints with --json what the analysts' functions say, and writes no page unasked", async () => {
  await using own = await tempFolder();
  const { code, stdout } = await runReport(own.path, ["--json", "--days", "7"], {
    SUPABASE_DB_URL: base.url,
  });
  expect(code).toBe(0);
  const printed = JSON.parse(stdout) as Figures;
  const [row] = await base.admin`
    select
      public.get_phoenix_ecosystem_stats(7) - 'generated_at' as ecosystem,
      public.get_phoenix_kpis(7) as kpis,
      public.get_aube_metrics(7) as aube
  `;
  expect(printed).toMatchObject({ days: 7, weeks: 13, ...row });
  expect(printed.daily.reduce((sum, { events }) => sum + events, 0))
    .toBe(printed.ecosystem.total_events);
  expect([...Deno.readDirSync(own.path)].map(({ name }) => name)).not.toContain(".phoenix");

  await runReport(own.path, ["--json", "--out", "made/page.html"], { SUPABASE_DB_URL: base.url });
  expect(await Deno.readTextFile(join(own.path, "made/page.html"))).toContain("<svg");
});

test("reads as an analyst, one moment, and could not write", async () => {
  const seen = await asAnalyst(base.url, async (sql) => {
    const [row] = await sql`
      select
        current_user as role,
        current_setting('transaction_isolation') as isolation,
        current_setting('transaction_read_only') as read_only
    `;
    return row;
  });
  expect(seen).toEqual({
    role: "phoenix_analyst",
    isolation: "repeatable read",
    read_only: "on",
  });
});

test("an analyst's own login is enough, and another's is refused with what to do", async () => {
  const analyst = `analyst_${crypto.randomUUID().slice(0, 8)}`;
  const stranger = `stranger_${crypto.randomUUID().slice(0, 8)}`;
  const password = crypto.randomUUID();
  const urlOf = (name: string) => Object.assign(new URL(base.url), { username: name, password });
  await base.superuser.unsafe(`
    create role ${analyst} login password '${password}' in role phoenix_analyst;
    create role ${stranger} login password '${password}';
  `);
  try {
    const { code, stdout } = await runReport(folder.path, ["--json"], {
      SUPABASE_DB_URL: urlOf(analyst).href,
    });
    expect(code).toBe(0);
    const figures = await readNow();
    const { generated_at: _, ...ecosystem } = figures.ecosystem;
    expect(JSON.parse(stdout)).toMatchObject({ ...figures, ecosystem });

    const refused = await runReport(folder.path, ["--db", urlOf(stranger).href]);
    expect(refused.code).toBe(1);
    expect(refused.stderr.trim()).toBe(
      `${stranger} may not read as an analyst: let an administrator grant phoenix_analyst to it.`,
    );
  } finally {
    await base.superuser.unsafe(`drop role ${analyst}, ${stranger}`);
  }
});

test("without a database it says what to do, and shows no password", async () => {
  const nothing = await runReport(folder.path, []);
  expect(nothing.code).toBe(1);
  expect(nothing.stderr).toContain("start one with npm start");
  expect(nothing.stdout).toBe("");

  const silent = await runReport(folder.path, [
    "--db",
    "postgresql://someone:s3cret@127.0.0.1:9/postgres",
  ]);
  expect(silent.code).toBe(1);
  expect(silent.stderr).toContain("127.0.0.1:9/postgres does not answer");
  expect(silent.stderr).not.toContain("s3cret");

  const wrong = await runReport(folder.path, [], { SUPABASE_DB_URL: "https://s3cret.example" });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("SUPABASE_DB_URL must be");
  expect(wrong.stderr).not.toContain("s3cret");
});

test("a database without the schema is refused", async () => {
  await using empty = await testStack().emptyDatabase();
  // Roles belong to the server, which has this one by now: the schema is what is missing.
  const { code, stderr } = await runReport(folder.path, ["--db", empty.url]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/get_phoenix_ecosystem_stats.* does not exist/);
});

test("a page that cannot be written is an error that names it", async () => {
  const { code, stderr } = await runReport(folder.path, ["--db", base.url, "--out", "."]);
  expect(code).toBe(1);
  expect(stderr).toContain(". cannot be written");
});

test("arguments that make no sense end with 2, and --help with 0", async () => {
  const { code, stderr } = await runReport(folder.path, ["--days", "367"]);
  expect(code).toBe(2);
  expect(stderr).toContain("--days must be a whole number from 1 to 366.");
  const help = await runReport(folder.path, ["--help"]);
  expect(help.code).toBe(0);
  expect(help.stdout).toContain("--weeks <n>");
});
