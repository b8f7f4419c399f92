import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { type LogLine, StackLog } from "../../supabase/local/log.ts";
import { tempFolder } from "../support/temp-folder.ts";

test.runIf(existsSync("/dev/full"))(
  "on a full disk lines are left out, which is told once, and other files go on",
  async () => {
    await using folder = await tempFolder();
    await Deno.symlink("/dev/full", `${folder.path}/qstash.log`);
    const shown: LogLine[] = [];
    const log = new StackLog(folder.path, (line) => shown.push(line));
    for (const text of ["one", "two"]) log.write("qstash", text);
    log.write("gateway", "three");
    log.close();
    expect(shown.map(({ service, text }) => `${service}: ${text}`)).toEqual([
      "qstash: one",
      expect.stringMatching(/^stack: what cannot be written to .* is left out \(No space left/),
      "qstash: two",
      "gateway: three",
    ]);
    expect(await Deno.readTextFile(`${folder.path}/gateway.log`)).toContain("gateway | three");
  },
);
