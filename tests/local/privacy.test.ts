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

/** Whether a service listens on other addresses than its own: on Linux all of 127.0.0.0/8 are this machine's. */
async function isReachable(url: string): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.2", port: Number(new URL(url).port) })).close();
    return true;
  } catch {
    return false;
  }
}

test("nobody of another machine reaches the stack, and no other user of this one reads what the stack keeps, nor what an earlier one left open", async () => {
  await using folder = await tempFolder();
  const dataDir = `${folder.path}/data`;
  for (const name of ["redis", "logs"]) {
    await Deno.mkdir(`${dataDir}/${name}`, { recursive: true, mode: 0o755 });
  }
  await Deno.writeTextFile(`${dataDir}/qstash.sqlite`, "", { mode: 0o644 });
  const stack = await startStack(fixtureOptions(dataDir));
  try {
    expect(await readableByOthers(dataDir)).toEqual(["stack.lock"]);
    const { API_URL, DB_URL, QSTASH_URL, UPSTASH_REDIS_REST_URL } = stack.env;
    for (const url of [API_URL, DB_URL, QSTASH_URL, UPSTASH_REDIS_REST_URL].filter(Boolean)) {
      expect(await isReachable(url), url).toBe(false);
    }
  } finally {
    await stack.stop();
  }
});
