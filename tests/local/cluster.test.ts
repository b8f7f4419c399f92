import { expect, test } from "vitest";
import { prepareCluster } from "../../supabase/local/postgres/cluster.ts";
import { tempFolder } from "../support/temp-folder.ts";

const secrets = { databasePassword: "a password", vaultKey: "0".repeat(64) };

async function modeOf(path: string): Promise<number> {
  return (await Deno.stat(path)).mode! & 0o7777;
}

test.runIf(Deno.uid() === 0).each([[0o1777, 0o1777], [0o2750, 0o2751]])(
  "of a folder's mode (%s) only the way through for the server's user changes",
  async (before, after) => {
    await using folder = await tempFolder();
    await Deno.chmod(folder.path, before);
    await prepareCluster(folder.path, secrets);
    expect(await modeOf(folder.path)).toBe(after);
  },
);
