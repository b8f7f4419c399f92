import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { hostedProject } from "../../supabase/tools/deploy/hosted-project.ts";

/** What the Supabase CLI was started with, and the file of secrets that it was given. */
interface Started {
  args: string[];
  env: Record<string, string>;
  file?: { path: string; text: string; mode: number };
}

let started: Started[];
let succeeds: boolean;

beforeEach(() => {
  started = [];
  succeeds = true;
  vi.spyOn(Deno, "Command").mockImplementation(function (_, options) {
    const { args, env } = options as Started;
    const path = args[args.indexOf("--env-file") + 1];
    started.push({
      args,
      env,
      ...(args.includes("--env-file") && path && {
        file: { path, text: Deno.readTextFileSync(path), mode: Deno.statSync(path).mode! & 0o777 },
      }),
    });
    const stdout = new TextEncoder().encode('{"migrations":[]}\n');
    const output = { success: succeeds, code: 1, stdout, stderr: new Uint8Array() };
    return { output: () => Promise.resolve(output) } as Deno.Command;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
});

const project = hostedProject({
  ref: "abcdefghijklmnopqrst",
  accessToken: "sbp_sEcRet",
  databaseUrl: "postgresql://postgres:sEc%40Ret@db.example:5432/postgres",
  workdir: "/nowhere",
});

// Every user of the machine can read the arguments of its programs.
test("the Supabase CLI gets the database's password by its environment, as it is, and in no argument", async () => {
  await project.pendingMigrations();
  await project.pushMigrations();
  expect(started).toHaveLength(2);
  for (const { args, env } of started) {
    expect(args).toContain("--remote=postgresql://postgres@db.example:5432/postgres");
    expect(args.join(" ")).not.toMatch(/sEc|Ret/);
    expect(env.PGPASSWORD).toBe("sEc@Ret");
  }
});

test.each([true, false])(
  "it gets secrets by a file that nobody else reads, and that is gone at once (it succeeds: %s)",
  async (success) => {
    succeeds = success;
    const setting = project.setSecrets({ QSTASH_TOKEN: "sEcRet$HOME" });
    if (success) await setting;
    else await expect(setting).rejects.toThrow();
    const [{ args, env, file }] = started as [Started];
    expect(file).toMatchObject({ text: "QSTASH_TOKEN='sEcRet$HOME'\n", mode: 0o600 });
    expect(args.join(" ")).not.toContain("sEcRet");
    expect(env.SUPABASE_ACCESS_TOKEN).toBe("sbp_sEcRet");
    await expect(Deno.stat(file!.path)).rejects.toThrow(Deno.errors.NotFound);
  },
);
