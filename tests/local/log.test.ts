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

test("a log goes on where it was, unless it has grown past 5 MiB", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/gateway.log`;
  const kept = "x".repeat(5 * 1024 * 1024);
  for (
    const [before, begins] of [[kept, "xxx"], [`${kept}x`, new Date().toISOString().slice(0, 3)]]
  ) {
    await Deno.writeTextFile(path, before!);
    const log = new StackLog(folder.path);
    log.write("gateway", "serving");
    log.close();
    const text = await Deno.readTextFile(path);
    expect([text.slice(0, 3), text.endsWith("gateway | serving\n")]).toEqual([begins, true]);
  }
});
