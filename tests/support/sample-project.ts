import { dirname, join } from "node:path";

const PROJECT_ROOT = new URL("../../", import.meta.url);

const FUNCTION = (name: string) =>
  `import { Hono } from "hono";
import { Greeting } from "../../shared/greeting.ts";

const app = new Hono().basePath("/${name}");
app.get("/", (context) => {
  context.header("x-request-id", crypto.randomUUID());
  return context.json(Greeting.parse({ from: "${name}" }));
});

export default { fetch: app.fetch };
`;

/** Writes a small project of the house's own layout: a migration and functions that share a file and use two packages. */
export async function writeSampleProject(
  folder: string,
  functions: readonly string[],
): Promise<void> {
  const importMap = await Deno.readTextFile(new URL("functions/import_map.json", PROJECT_ROOT));
  const sections = functions.map((name) =>
    `[functions.${name}]
entrypoint = "../functions/${name}/index.ts"
import_map = "../functions/import_map.json"
verify_jwt = false
`
  );
  const files: Record<string, string> = {
    "supabase/config.toml": `project_id = "sample"\n\n[db]\nmajor_version = 17\n\n${
      sections.join("\n")
    }`,
    "supabase/migrations/20250101000000_sample.sql": "create table public.sample (id bigint);\n",
    "functions/import_map.json": importMap,
    "shared/greeting.ts":
      `import { z } from "zod";\n\nexport const Greeting = z.object({ from: z.string() });\n`,
  };
  for (const name of functions) files[`functions/${name}/index.ts`] = FUNCTION(name);
  for (const [path, content] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), content);
  }
}
