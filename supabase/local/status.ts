/** `npm run -s status`: what the running stack serves, as lines `NAME="value"`; exits 1 when none runs. */
import { settings } from "./settings.ts";
import { StackError } from "./stack-error.ts";
import { toStatusLines } from "./stack-env.ts";
import { readStatus } from "./status-file.ts";

try {
  const { dataDir } = settings();
  const status = await readStatus(dataDir);
  if (!status) throw new StackError(`No stack runs on ${dataDir}: start one with npm start.`);
  for (const line of toStatusLines(status)) console.log(line);
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
