import { existsSync } from "node:fs";
import { afterEach, expect, test, vi } from "vitest";
import { isLocked, lockDataFolder } from "../../supabase/local/data-folder.ts";
import { choosePort } from "../../supabase/local/ports.ts";
import { tempFolder } from "../support/temp-folder.ts";

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
  const { choosePort, freePort } = await ports();
  choosePort(wanted, "set PHOENIX_API_PORT to another");
  vi.spyOn(Math, "random").mockReturnValueOnce(0.5);
  expect(freePort()).not.toBe(wanted);
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
  setTimeout(() => asker.close(), 50);
  const stack = await lockDataFolder(folder.path);
  expect(await isLocked(folder.path)).toBe(true);
  stack.unlock();
});
