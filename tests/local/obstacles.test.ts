import { existsSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { isLocked, lockDataFolder } from "../../supabase/local/data-folder.ts";
import { choosePort, freePort } from "../../supabase/local/ports.ts";
import { type Stack, startStack } from "../../supabase/local/stack.ts";
import { stackEnvSchema } from "../../supabase/local/stack-env.ts";
import { StackError } from "../../supabase/local/stack-error.ts";
import { readStatus, writeStatus } from "../../supabase/local/status-file.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { fixtureOptions } from "./fixtures/stack.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("a port that is reserved to root is not said to be in use", () => {
  vi.spyOn(Deno, "listen").mockImplementation(() => {
    throw new Deno.errors.PermissionDenied("Permission denied");
  });
  expect(() => choosePort(81, "set PHOENIX_API_PORT to another")).toThrow(
    "Port 81 cannot be used (Permission denied): set PHOENIX_API_PORT to another.",
  );
});

test("a port that was asked for is not handed out as a free one", async () => {
  const ports = async () => {
    vi.resetModules();
    return await import("../../supabase/local/ports.ts");
  };
  vi.spyOn(Math, "random").mockReturnValueOnce(0.5);
  const wanted = (await ports()).freePort();
  const anew = await ports();
  anew.choosePort(wanted, "set PHOENIX_API_PORT to another");
  vi.spyOn(Math, "random").mockReturnValueOnce(0.5);
  expect(anew.freePort()).not.toBe(wanted);
});

test("a folder whose lock cannot be read is not said to be without a stack", async () => {
  await using folder = await tempFolder();
  expect(await isLocked(folder.path)).toBe(false);
  await Deno.mkdir(`${folder.path}/stack.lock`);
  await expect(isLocked(folder.path)).rejects.toThrow(/cannot be .*PHOENIX_DATA_DIR/);
});

test.runIf(existsSync("/dev/full"))(
  "a lock that cannot be written is told in one line",
  async () => {
    await using folder = await tempFolder();
    await Deno.symlink("/dev/full", `${folder.path}/stack.lock`);
    await expect(lockDataFolder(folder.path)).rejects.toThrow(/cannot be used .*PHOENIX_DATA_DIR/);
  },
);

test("what a stack has left that was killed is not said to be served", async () => {
  await using folder = await tempFolder();
  const names = Object.keys(stackEnvSchema.shape);
  const env = stackEnvSchema.parse(Object.fromEntries(names.map((name) => [name, name])));
  const stack = await lockDataFolder(folder.path);
  expect(await readStatus(folder.path)).toBeUndefined();
  await writeStatus(folder.path, env);
  expect(await readStatus(folder.path)).toEqual(env);
  stack.unlock();
  expect(await readStatus(folder.path)).toBeUndefined();
});

test("many who ask at once whether a stack runs are not taken for one", async () => {
  await using folder = await tempFolder();
  (await lockDataFolder(folder.path)).unlock();
  for (let round = 0; round < 20; round++) {
    const answers = await Promise.all(Array.from({ length: 5 }, () => isLocked(folder.path)));
    expect(answers).not.toContain(true);
  }
});

test("who asks whether a stack runs does not keep one from starting", async () => {
  await using folder = await tempFolder();
  (await lockDataFolder(folder.path)).unlock();
  const asker = await Deno.open(`${folder.path}/stack.lock`);
  expect(await asker.tryLock(false)).toBe(true);
  // Until the first attempt has failed, however long that takes.
  const tryLock = Deno.FsFile.prototype.tryLock;
  vi.spyOn(Deno.FsFile.prototype, "tryLock").mockImplementationOnce(
    async function (this: Deno.FsFile, exclusive) {
      const hasLock = await tryLock.call(this, exclusive);
      asker.close();
      return hasLock;
    },
  );
  const stack = await lockDataFolder(folder.path);
  expect(await isLocked(folder.path)).toBe(true);
  stack.unlock();
});

/** Boots with the database alone, or with nothing. */
function boot(dataDir: string, what: "database" | "nothing", apiPort = 0): Promise<Stack> {
  return startStack({
    ...fixtureOptions(dataDir),
    apiPort,
    without: [
      "net",
      "gateway",
      "functions",
      "qstash",
      "redis-server",
      "redis",
      ...what === "nothing" ? ["postgres" as const] : [],
    ],
  });
}

test.each(
  [
    ["secrets.json", "nothing"],
    ["password", "database"],
    ["status.json", "nothing"],
  ] as const,
)(
  "a disk that is full when %s is to be written is told in one line, and spoils nothing",
  async (name, what) => {
    await using folder = await tempFolder();
    const write = Deno.writeTextFile;
    vi.spyOn(Deno, "writeTextFile").mockImplementation(async (path, ...rest) => {
      if (!String(path).includes(name)) return await write(path, ...rest);
      await write(path, "");
      throw new Error("No space left on device (os error 28)");
    });
    const failed: unknown = await boot(folder.path, what).catch((error) => error);
    expect(failed).toBeInstanceOf(StackError);
    expect((failed as StackError).message).toMatch(
      /^The data folder .* cannot be used \(No space left .*\): make room for it, or set PHOENIX_DATA_DIR to another\.$/,
    );
    vi.restoreAllMocks();
    await (await boot(folder.path, what)).stop();
  },
);

test("a port that a stack before, which was cut off, still holds is waited for", async () => {
  await using folder = await tempFolder();
  const port = freePort();
  const listen = () => Deno.listen({ hostname: "127.0.0.1", port });

  // Ended in order, it has left nothing to wait for.
  await (await boot(folder.path, "nothing")).stop();
  const somebody = listen();
  await expect(boot(folder.path, "nothing", port)).rejects.toThrow(`Port ${port} is in use`);
  somebody.close();

  await Deno.writeTextFile(`${folder.path}/stack.lock`, "1\n");
  const left = listen();
  setTimeout(() => left.close(), 300);
  await (await boot(folder.path, "nothing", port)).stop();
});
