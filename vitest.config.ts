import { defineConfig } from "vitest/config";
import { callLoopbackDirectly } from "./supabase/local/loopback.ts";

callLoopbackDirectly();

const shared = {
  pool: "forks",
  // Ends what hangs; no test is about time that a busy machine may not have.
  testTimeout: 180_000,
  hookTimeout: 240_000,
} as const;

export default defineConfig({
  test: {
    projects: [
      // What needs no stack, or starts what it needs.
      {
        test: {
          ...shared,
          name: "domain",
          include: ["tests/{domain,platform}/**/*.test.ts", "tests/*.test.ts"],
        },
      },
      { test: { ...shared, name: "local", include: ["tests/{local,tools}/**/*.test.ts"] } },
      // What shares one stack, started before the first test and deleted after the last.
      {
        test: {
          ...shared,
          name: "stack",
          include: ["tests/{sql,flywheel,functions,e2e}/**/*.test.ts"],
          globalSetup: "tests/support/global-setup.ts",
        },
      },
    ],
  },
});
