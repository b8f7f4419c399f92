import { expect, test } from "vitest";
import { startStack } from "../../supabase/local/stack.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { fixtureOptions } from "./fixtures/stack.ts";

/** The files under a folder that every user of the machine can read, their names known. */
async function readableByOthers(folder: string, under = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    const mode = (await Deno.stat(path)).mode!;
    if (entry.isDirectory && mode & 0o001) {
      found.push(...await readableByOthers(path, `${under}${entry.name}/`));
    }
    if (entry.isFile && mode & 0o004) found.push(under + entry.name);
  }
  return found;
}

test("no other user of the machine reads what the stack keeps, nor what an earlier one left open", async () => {
  await using folder = await tempFolder();
  const dataDir = `${folder.path}/data`;
  for (const name of ["redis", "logs"]) {
    await Deno.mkdir(`${dataDir}/${name}`, { recursive: true, mode: 0o755 });
  }
  await Deno.writeTextFile(`${dataDir}/qstash.sqlite`, "", { mode: 0o644 });
  const stack = await startStack(fixtureOptions(dataDir));
  try {
    expect(await readableByOthers(dataDir)).toEqual(["stack.lock"]);
  } finally {
    await stack.stop();
  }
});
