/** `npm run -s status`: what the running stack serves, as lines `NAME="value"`; exits 1 when none runs. */
import { settings } from "./settings.ts";
import { toStatusLines } from "./stack-env.ts";
import { readStatus } from "./status-file.ts";

const { dataDir } = settings();
const status = await readStatus(dataDir);
if (!status) {
  console.error(`No stack runs on ${dataDir}: start one with npm start.`);
  Deno.exit(1);
}
for (const line of toStatusLines(status)) console.log(line);
