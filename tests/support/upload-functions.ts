import { cp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { supabaseCli } from "../../supabase/tools/supabase-cli.ts";
import { startManagementApi, type Upload } from "./management-api.ts";

const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The names of the project's functions. */
export const functionNames = [
  ...Deno.readDirSync(join(PROJECT_ROOT, "functions")),
]
  .filter((entry) => entry.isDirectory)
  .map((entry) => entry.name)
  .sort();

/** What the platform gives a function, and the project's own secrets. Nothing of it answers. */
export const environmentOfNobody = {
  SUPABASE_URL: "http://127.0.0.1:9",
  SUPABASE_DB_URL: "postgresql://postgres:postgres@127.0.0.1:9/postgres",
  SUPABASE_PUBLISHABLE_KEYS: JSON.stringify({ default: "sb_publishable_test" }),
  SUPABASE_SECRET_KEYS: JSON.stringify({ default: "sb_secret_test" }),
  SUPABASE_JWKS: JSON.stringify({ keys: [] }),
  QSTASH_URL: "http://127.0.0.1:9",
  QSTASH_TOKEN: "token",
  QSTASH_CURRENT_SIGNING_KEY: "sig_current",
  QSTASH_NEXT_SIGNING_KEY: "sig_next",
  PHOENIX_DOORBELL_SECRET: "0".repeat(64),
};

/**
 * Deploys every function with the real CLI to a Management API that only keeps what it is sent.
 *
 * @param folder a temporary one of the caller's
 * @returns what was uploaded, by the function's name
 */
export async function uploadFunctions(
  folder: string,
): Promise<ReadonlyMap<string, Upload>> {
  // The CLI refuses to deploy nothing.
  if (functionNames.length === 0) return new Map();
  // The CLI keeps notes beside config.toml: it works on a copy.
  const project = join(folder, "project");
  for (const path of ["functions", "shared", "supabase/config.toml"]) {
    await cp(join(PROJECT_ROOT, path), join(project, path), {
      recursive: true,
    });
  }
  const api = await startManagementApi(folder);
  try {
    await supabaseCli(
      [
        ...[
          "functions",
          "deploy",
          "--use-api",
          "--yes",
          `--remote=${api.projectRef}`,
        ],
        ...["--profile", api.profile, "--workdir", project],
      ],
      z.unknown(),
      { SUPABASE_ACCESS_TOKEN: api.accessToken, SUPABASE_HOME: folder },
    );
    return api.functions;
  } finally {
    await api.stop();
  }
}
