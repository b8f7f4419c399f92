import { z } from "zod";

const PROJECT_ROOT = new URL("../../", import.meta.url);

const Failure = z.object({
  error: z.object({
    code: z.string().optional(),
    message: z.string(),
    suggestion: z.string().optional(),
  }),
});

/** What the Supabase CLI said when it refused, with its advice in one text. */
export class SupabaseCliError extends Error {
  override readonly name = "SupabaseCliError";

  /**
   * @param refusal what it said without its advice
   * @param advice what it would do about it, where it says so
   * @param code what it calls it, where it says so
   */
  constructor(readonly refusal: string, readonly advice = "", readonly code = "") {
    super([refusal, advice].filter(Boolean).join("\n"));
  }
}

/**
 * Runs the Supabase CLI of `node_modules` and gives back its JSON answer.
 *
 * @param args the command and its flags, without `--output-format`
 * @param answer the shape to expect
 * @param env variables to add to this process's own
 * @throws {SupabaseCliError} when the CLI exits with an error or answers something else
 *
 * @example
 * await supabaseCli(["secrets", "list", "--remote=<ref>"], z.object({ secrets: z.array(Secret) }));
 */
export async function supabaseCli<Answer>(
  args: readonly string[],
  answer: z.ZodType<Answer>,
  env: Record<string, string> = {},
): Promise<Answer> {
  const parsed = answer.safeParse(lastJsonLine(await supabaseCliText(args, env)));
  if (!parsed.success) {
    throw new SupabaseCliError(
      `supabase ${args.slice(0, 2).join(" ")} answered something unexpected:\n${
        z.prettifyError(parsed.error)
      }`,
    );
  }
  return parsed.data;
}

/**
 * Runs the Supabase CLI of `node_modules` and gives back what it prints, for a command that answers in a language of its own.
 *
 * @param args the command and its flags, without `--output-format`
 * @param env variables to add to this process's own
 * @throws {SupabaseCliError} when the CLI exits with an error
 */
export async function supabaseCliText(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "npm:supabase", ...args, "--output-format", "json"],
    cwd: PROJECT_ROOT,
    env: { ...env, SUPABASE_TELEMETRY_DISABLED: "1", SUPABASE_NO_UPDATE_NOTIFIER: "1" },
    stdin: "null",
  }).output();
  const stdout = new TextDecoder().decode(output.stdout);
  if (output.success) return stdout;
  const failure = Failure.safeParse(lastJsonLine(stdout));
  if (failure.success) {
    const { code, message, suggestion } = failure.data.error;
    throw new SupabaseCliError(message, suggestion, code);
  }
  const said = (new TextDecoder().decode(output.stderr) || stdout).trim();
  throw new SupabaseCliError(said || `supabase ${args[0]} exited with ${output.code}`);
}

function lastJsonLine(text: string): unknown {
  const line = text.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
