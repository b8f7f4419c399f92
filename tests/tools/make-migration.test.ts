import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import {
  type ScratchCluster,
  startScratchCluster,
} from "../../supabase/local/postgres/scratch-cluster.ts";
import { makeMigration } from "../../supabase/tools/schema/make-migration.ts";
import type { SchemaPlaces } from "../../supabase/tools/schema/places.ts";
import { tempFolder } from "../support/temp-folder.ts";

// Each comparison starts the Supabase CLI, and that is a large program.
vi.setConfig({ testTimeout: 300_000 });

const COMMAND = new URL("../../supabase/tools/migration.ts", import.meta.url).href;

const TABLE = `create table public.jobs (
  id bigint primary key,
  title text not null default 'écrivain; poète'
);
comment on table public.jobs is 'Jobs.';
`;
const ROW = "insert into public.jobs (id) values (1);\n";
const GUARD = `-- Where there is one.
do $$
begin
  if exists (select from pg_available_extensions where name = 'no_such_extension') then
    create extension no_such_extension;
  end if;
end
$$;
`;

let cluster: ScratchCluster;

beforeAll(async () => {
  cluster = await startScratchCluster();
});

afterAll(() => cluster[Symbol.asyncDispose]());

/** A schema of a test's own: its files, and what the folder of migrations holds. */
async function schema() {
  const folder = await tempFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const places: SchemaPlaces = {
    script: join(folder.path, "install.sql"),
    migrations: join(folder.path, "migrations"),
  };
  return {
    async source(files: Record<string, string>) {
      for (const [name, text] of Object.entries(files)) {
        await Deno.writeTextFile(join(folder.path, name), text);
      }
      const lines = Object.keys(files).map((name) => `\\ir ${name}\n`);
      await Deno.writeTextFile(places.script, lines.join(""));
    },
    migrate: (name: string, second: number, squash = false) =>
      makeMigration(cluster, places, {
        name,
        squash,
        now: new Date(Date.UTC(2025, 0, 2, 3, 4, second)),
      }),
    async migrations() {
      const files: Record<string, string> = {};
      for (const { name } of Deno.readDirSync(places.migrations)) {
        files[name] = await Deno.readTextFile(join(places.migrations, name));
      }
      return files;
    },
  };
}

test("the first migration is the source itself, and there is no second without a change", async () => {
  const { source, migrate, migrations } = await schema();
  await source({ "guard.sql": GUARD, "jobs.sql": TABLE + ROW });

  expect(await migrate("initial", 5)).toEqual({ file: "20250102030405_initial.sql", left: "" });
  const text = `-- guard.sql\n${GUARD}\n-- jobs.sql\n${TABLE}${ROW}`;
  expect(await migrations()).toEqual({ "20250102030405_initial.sql": text });

  expect(await migrate("nothing", 6)).toEqual({ left: "" });
  expect(Object.keys(await migrations())).toEqual(["20250102030405_initial.sql"]);
});

test("a later migration is the difference, after what guards extensions and before rows", async () => {
  const { source, migrate, migrations } = await schema();
  await source({ "jobs.sql": TABLE + ROW });
  await migrate("initial", 5);

  const apps = `create table public.apps (name text primary key);
comment on table public.apps is 'Apps.';
alter table public.apps enable row level security;
revoke all on public.apps from anon, authenticated;
insert into public.apps (name) values ('aube');
`;
  await source({ "guard.sql": GUARD, "jobs.sql": TABLE + ROW, "apps.sql": apps });
  expect(await migrate("apps", 6)).toEqual({ file: "20250102030406_apps.sql", left: "" });

  const text = (await migrations())["20250102030406_apps.sql"]!;
  expect(text.startsWith(GUARD)).toBe(true);
  expect(text.endsWith("insert into public.apps (name) values ('aube');\n")).toBe(true);
  expect(text).not.toContain("jobs");
  expect(await migrate("nothing", 7)).toEqual({ left: "" });
});

test("a row that was changed in the source is left to its author", async () => {
  const { source, migrate } = await schema();
  await source({ "jobs.sql": TABLE + ROW });
  await migrate("initial", 5);

  await source({ "jobs.sql": TABLE.replace("écrivain", "rédacteur") + ROW });
  const { file, left } = await migrate("title", 6);
  expect(file).toBe("20250102030406_title.sql");
  expect(left).toMatch(/missing row: public.jobs .*rédacteur/);
  expect(left).toMatch(/surplus row: public.jobs .*écrivain/);
});

test("a migration comes after the last one, though the clock is behind", async () => {
  const { source, migrate } = await schema();
  await source({ "jobs.sql": TABLE });
  await migrate("initial", 59);
  await source({ "jobs.sql": TABLE.replace("title", "name") });
  expect(await migrate("rename", 5)).toEqual({ file: "20250102030500_rename.sql", left: "" });
});

test("a migration that cannot be applied is kept, and named as the one just written", async () => {
  const { source, migrate, migrations } = await schema();
  await source({ "jobs.sql": TABLE + ROW });
  await migrate("initial", 5);
  await source({ "jobs.sql": TABLE + ROW.replace("(1)", "(1), (2)") });
  await expect(migrate("second_job", 6)).rejects.toThrow(
    /^Wrote 20250102030406_second_job\.sql, which cannot be applied: .*\n.*duplicate key/,
  );
  expect(Object.keys(await migrations())).toContain("20250102030406_second_job.sql");
});

test("squashed, all migrations become one, which keeps its name from then on", async () => {
  const { source, migrate, migrations } = await schema();
  await source({ "jobs.sql": TABLE });
  await migrate("initial", 5);
  await source({ "jobs.sql": TABLE.replace("title", "name") });
  await migrate("rename", 6);

  await migrate("initial", 7, true);
  await source({ "jobs.sql": TABLE + ROW });
  expect(await migrate("initial", 8, true)).toEqual({
    file: "20250102030405_initial.sql",
    left: "",
  });
  expect(await migrations()).toEqual({
    "20250102030405_initial.sql": `-- jobs.sql\n${TABLE}${ROW}`,
  });
});

test.each(["", "Add-Jobs", "one two", "--sqash initial"])(
  'the command says what is wrong with the arguments "%s"',
  async (line) => {
    const args = line.split(" ").filter(Boolean);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", COMMAND, ...args],
    }).output();
    expect(code).toBe(2);
    expect(new TextDecoder().decode(stderr)).toContain("Usage: npm run db:migration");
  },
);
