import { afterEach, expect, test, vi } from "vitest";
import { isLocked } from "../../supabase/local/data-folder.ts";
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

test("a folder whose lock cannot be read is not said to be without a stack", async () => {
  await using folder = await tempFolder();
  expect(await isLocked(folder.path)).toBe(false);
  await Deno.mkdir(`${folder.path}/stack.lock`);
  await expect(isLocked(folder.path)).rejects.toThrow(/cannot be .*PHOENIX_DATA_DIR/);
});
