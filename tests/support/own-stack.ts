import type { LogLine } from "../../supabase/local/log.ts";
import { type Stack, type StackOptions, startStack } from "../../supabase/local/stack.ts";
import { withoutHoldout } from "./holdout.ts";
import { clientsOf, type TestStack } from "./stack.ts";
import { tempFolder } from "./temp-folder.ts";

/** A stack of a test's own, for what would disturb the others; its data goes with it. */
export interface OwnStack extends TestStack, AsyncDisposable {
  stack: Stack;
  /** Every line that its services have written. */
  lines: readonly LogLine[];
}

/** Boots the whole backend, without the sweep where nothing else is said, and with nobody in a holdout. */
export async function ownStack(options: Partial<StackOptions> = {}): Promise<OwnStack> {
  const folder = await tempFolder();
  const lines: LogLine[] = [];
  let stack: Stack | undefined;
  try {
    const started = stack = await startStack({
      dataDir: `${folder.path}/data`,
      sweep: false,
      log: (line) => lines.push(line),
      ...options,
    });
    await withoutHoldout(started.env);
    return {
      ...clientsOf(started.env),
      stack: started,
      lines,
      async [Symbol.asyncDispose]() {
        await started.stop();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await stack?.stop();
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
