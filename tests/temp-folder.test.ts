import { expect, test } from "vitest";
import { eventually } from "./support/eventually.ts";
import { tempFolder } from "./support/temp-folder.ts";

const exists = (path: string) => Deno.lstat(path).then(() => true, () => false);

test("a temporary folder goes with what is in it", async () => {
  const folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  await folder[Symbol.asyncDispose]();
  expect(await exists(folder.path)).toBe(false);
});

test("the temporary folder of a process that was killed goes as well", async () => {
  const module = new URL("./support/temp-folder.ts", import.meta.url).href;
  const program = `
    const { tempFolder } = await import(${JSON.stringify(module)});
    const { path } = await tempFolder();
    await Deno.writeTextFile(path + "/file", "");
    console.log(path);
    setInterval(() => {}, 1000);
  `;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["eval", program],
    stdout: "piped",
  }).spawn();
  const { value } = await process.stdout.pipeThrough(new TextDecoderStream()).getReader().read();
  const path = value!.trim();
  expect(await exists(`${path}/file`)).toBe(true);
  process.kill("SIGKILL");
  await process.status;
  await eventually(async () => !await exists(path));
});
