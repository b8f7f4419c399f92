/** `npm run db:migration -- <name>`: brings `supabase/migrations` to where `sql/` is. */
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { startScratchCluster } from "../local/postgres/scratch-cluster.ts";
import { makeMigration } from "./schema/make-migration.ts";
import { PROJECT_SCHEMA } from "./schema/places.ts";

const USAGE = `Usage: npm run db:migration -- [--squash] <name>

Writes supabase/migrations/<timestamp>_<name>.sql, which brings the schema of the existing migrations to that of sql/.

  <name>     what the migration does, in snake case: add_transitions
  --squash   write the whole schema as one migration in the place of all there are;
             only while no project has any of them`;

async function main(args: string[]): Promise<number> {
  let name: string | undefined;
  let squash: boolean;
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { squash: { type: "boolean", default: false }, help: { type: "boolean" } },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    squash = values.squash;
    [name] = positionals;
    if (name === undefined) throw new Error("A migration needs a name.");
    if (positionals.length > 1) throw new Error("A migration has one name, in snake case.");
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) {
      throw new Error(`${name} is no name in snake case, such as add_transitions.`);
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }

  await using cluster = await startScratchCluster();
  const options = { name, squash, now: new Date() };
  const { file, left } = await makeMigration(cluster, PROJECT_SCHEMA, options);
  const folder = relative(Deno.cwd(), PROJECT_SCHEMA.migrations);
  console.log(
    file
      ? `Wrote ${join(folder, file)}: read it before you commit it.`
      : "The schemas are the same.",
  );
  if (left === "") return 0;
  console.error(
    `The migrations still do not give what sql/ gives. Write by hand ${
      file ? "into it" : "into a migration"
    } what this takes:\n\n${left}`,
  );
  return 1;
}

if (import.meta.main) {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    Deno.exit(1);
  }
}
