import { fileURLToPath } from "node:url";
import { z } from "zod";
import { StackError } from "./stack-error.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));

const settingsSchema = z.object({
  PHOENIX_API_PORT: z.coerce.number().int().min(0).max(65535).default(54321),
  PHOENIX_DB_PORT: z.coerce.number().int().min(0).max(65535).default(54322),
  PHOENIX_DATA_DIR: z.string().min(1).default(`${PROJECT}.phoenix`),
});

/**
 * What the environment says about the stack of `npm start`; port 0 is any free one.
 *
 * @throws StackError naming the variable that makes no sense
 */
export function settings(): { apiPort: number; dbPort: number; dataDir: string } {
  const parsed = settingsSchema.safeParse(Deno.env.toObject());
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new StackError(`${issue!.path.join(".")} is not usable (${issue!.message}): correct it.`);
  }
  return {
    apiPort: parsed.data.PHOENIX_API_PORT,
    dbPort: parsed.data.PHOENIX_DB_PORT,
    dataDir: parsed.data.PHOENIX_DATA_DIR,
  };
}
