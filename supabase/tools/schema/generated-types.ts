import type { ScratchDatabase } from "../../local/postgres/scratch-cluster.ts";
import { supabaseCliText } from "../supabase-cli.ts";

/**
 * The TypeScript types of schema `public`, as `supabase gen types` gives them and `deno fmt` writes them.
 *
 * @throws SupabaseCliError when the database cannot be read
 */
export async function generateTypes({ url }: ScratchDatabase): Promise<string> {
  const types = await supabaseCliText(["gen", "types", "--schema", "public", `--remote=${url}`]);
  const formatter = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", "--ext=ts", "--line-width=100", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const input = new Blob([types]).stream().pipeTo(formatter.stdin);
  const [{ success, stdout }] = await Promise.all([formatter.output(), input]);
  if (!success) throw new Error("deno fmt cannot read what supabase gen types printed.");
  return new TextDecoder().decode(stdout);
}
