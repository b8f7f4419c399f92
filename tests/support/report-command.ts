import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What the report command printed and how it ended. */
export interface ReportOutcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `npm run report` as npm does, in a folder of the test's own and with these variables alone. */
export async function runReport(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ReportOutcome> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--config", join(ROOT, "deno.json")],
      join(ROOT, "supabase/tools/report.ts"),
      ...args,
    ],
    cwd: folder,
    clearEnv: true,
    env: { PHOENIX_DATA_DIR: join(folder, "data"), DENO_DIR: join(folder, ".deno"), ...env },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}
