import { type Options, UsageError } from "./options.ts";

/**
 * Tries the files that figures go to, so that nobody measures for long and then has nowhere to put them. Leaves them as
 * they were.
 *
 * @throws UsageError naming the option whose file cannot be written
 */
export async function tryTargets(options: Pick<Options, "json" | "chart">): Promise<void> {
  for (const name of ["json", "chart"] as const) {
    const file = options[name];
    if (file === undefined) continue;
    try {
      await tryToWrite(file);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UsageError(`--${name} names what cannot be written: ${reason}.`);
    }
  }
}

async function tryToWrite(file: string): Promise<void> {
  try {
    (await Deno.open(file, { write: true, createNew: true })).close();
    await Deno.remove(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    (await Deno.open(file, { append: true })).close();
  }
}
