import { fileURLToPath } from "node:url";
import { z } from "zod";
import { StackError } from "./stack-error.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));

const settingsSchema = z.object({
  PHOENIX_API_PORT: z.coerce.number().int().min(0).max(65535).default(54321),
  PHOENIX_DB_PORT: z.coerce.number().int().min(0).max(65535).default(54322),
  PHOENIX_DATA_DIR: z.string().default(`${PROJECT}.phoenix`),
});

/**
 * What the environment says about the stack of `npm start`; port 0 is any free one, and an empty value counts as not set.
 *
 * @throws StackError naming what makes no sense
 */
export function settings(): { apiPort: number; dbPort: number; dataDir: string } {
  const set = Object.entries(Deno.env.toObject()).filter(([, value]) => value.trim() !== "");
  const parsed = settingsSchema.safeParse(Object.fromEntries(set));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new StackError(`${issue!.path.join(".")} is not usable (${issue!.message}): correct it.`);
  }
  const { PHOENIX_API_PORT: apiPort, PHOENIX_DB_PORT: dbPort, PHOENIX_DATA_DIR: dataDir } =
    parsed.data;
  if (apiPort !== 0 && apiPort === dbPort) {
    throw new StackError(
      `PHOENIX_API_PORT and PHOENIX_DB_PORT are both ${apiPort}: set one of them to another port.`,
    );
  }
  return { apiPort, dbPort, dataDir };
}
