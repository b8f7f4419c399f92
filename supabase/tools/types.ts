/** `npm run db:types`: writes the TypeScript types of what `sql/` says. */
import { relative } from "node:path";
import { startScratchCluster } from "../local/postgres/scratch-cluster.ts";
import { databaseFromSource } from "./schema/databases.ts";
import { generateTypes } from "./schema/generated-types.ts";
import { PROJECT_SCHEMA, TYPES_FILE } from "./schema/places.ts";

async function main(): Promise<void> {
  await using cluster = await startScratchCluster();
  const types = await generateTypes(await databaseFromSource(cluster, PROJECT_SCHEMA));
  await Deno.writeTextFile(TYPES_FILE, types);
  console.log(`Wrote ${relative(Deno.cwd(), TYPES_FILE)}.`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
