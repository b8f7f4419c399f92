import { join } from "node:path";
import { z } from "zod";
import type { Upload } from "./management-api.ts";

const Graph = z.object({
  modules: z.array(z.object({
    specifier: z.string(),
    dependencies: z.array(z.object({ specifier: z.string() })).optional(),
  })),
});

/**
 * The package specifiers, as they are written, that the modules of an unpacked function import: each once, sorted.
 *
 * @throws Error with what Deno says where it cannot read the modules
 */
export async function packageImports(upload: Upload, folder: string): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["info", "--json", "--no-config", "--no-remote", "--node-modules-dir=manual"],
      `--import-map=${upload.metadata.import_map_path}`,
      upload.metadata.entrypoint_path,
    ],
    cwd: folder,
    env: { DENO_DIR: join(folder, ".deno"), DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { modules } = Graph.parse(JSON.parse(new TextDecoder().decode(stdout)));
  const specifiers = modules
    .flatMap(({ dependencies }) => dependencies ?? [])
    .map(({ specifier }) => specifier)
    .filter((specifier) => !/^(\.{0,2}\/|node:|file:)/.test(specifier));
  return [...new Set(specifiers)].sort();
}
