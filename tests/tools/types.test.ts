import { expect, test } from "vitest";

const COMMAND = new URL("../../supabase/tools/types.ts", import.meta.url).href;

test("the command says in one line why it has no database to look at", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", COMMAND],
    env: { TMPDIR: "/no/such/folder" },
  }).output();
  expect(code).toBe(1);
  expect(new TextDecoder().decode(stdout)).toBe("");
  expect(new TextDecoder().decode(stderr).trim()).toMatch(/^No such file or directory.*$/);
});
