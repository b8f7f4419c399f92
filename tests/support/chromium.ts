import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { test } from "vitest";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

const program = (Deno.env.get("PATH") ?? "").split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find(isFile);

/** `test` for what needs a browser. Where there is no Chromium it is skipped; in CI it runs all the same, and fails. */
export const testWithChromium = program || Deno.env.get("CI") === "true"
  ? test
  : (name: string, run: () => Promise<void>) =>
    test.skip(`${name} (skipped: chromium is not installed)`, run);

/** Starts a headless Chromium with a profile of its own, which looks up nothing by itself. */
export async function startChromium(): Promise<Browser> {
  if (!program) throw new Error("chromium is not installed (Debian: apt-get install chromium)");
  return await chromium.launch({
    executablePath: program,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
