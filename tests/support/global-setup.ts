import type { TestProject } from "vitest/node";
import { startStack } from "../../supabase/local/stack.ts";
import type {} from "./stack.ts";
import { withoutHoldout } from "./holdout.ts";
import { tempFolder } from "./temp-folder.ts";

/** One stack for the whole run, on free ports and with a folder of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await tempFolder();
  const stack = await startStack({ dataDir: folder.path });
  await withoutHoldout(stack.env);
  project.provide("stack", stack.env);
  return async () => {
    await stack.stop();
    await folder[Symbol.asyncDispose]();
  };
}
