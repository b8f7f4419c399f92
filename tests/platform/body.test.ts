import type { Context } from "hono";
import { describe, expect, test, vi } from "vitest";
import { type AppEnv, createApp } from "../../shared/platform/http/app.ts";
import { readJson } from "../../shared/platform/http/body.ts";
import { eventually } from "../support/eventually.ts";

const mebibyte = 1_048_576;

/** Reads a body as a function does. */
function read(body: BodyInit) {
  const raw = new Request("http://localhost", { method: "POST", body });
  return readJson({ req: { raw } } as Context<AppEnv>, mebibyte);
}

test.each([
  [`"\\u0000"`, "body", "holds a NUL character"],
  [`{"a":[{"b c":1},{"b c":[0,1e400]}]}`, "a[1].b c[1]", "is beyond the range of a number"],
  [`[{"0":{"":"\\ud800"}}]`, "[0].0.", "holds a lone surrogate"],
  [`{"a":{"x\\u0000":1}}`, "a", "has a key that holds a NUL character"],
  [`{"\\udc00":1}`, "body", "has a key that holds a lone surrogate"],
  [`${'{"a":'.repeat(64)}[]${"}".repeat(64)}`, "a.".repeat(64).slice(0, -1), "is nested"],
  [`{"${"é".repeat(300)}":"\\u0000"}`, "é".repeat(200), "holds a NUL character"],
])("of %s the field %s is named", async (body, field, message) => {
  await expect(read(body)).rejects.toMatchObject({
    status: 400,
    code: "invalid_json",
    issues: [{ field, message: expect.stringContaining(message) }],
  });
});

test("a body may be as large as is said, and no larger", async () => {
  const { value } = await read(`"${"x".repeat(mebibyte - 2)}"`);
  expect(value).toHaveLength(mebibyte - 2);
  await expect(read(`"${"x".repeat(mebibyte - 1)}"`)).rejects.toMatchObject({ status: 413 });
});

test("who goes away in the middle of a body made no error of ours", async () => {
  using written = vi.spyOn(console, "log").mockReturnValue();
  const app = createApp("sample");
  const arrived = Promise.withResolvers<void>();
  app.post("/", async (context) => {
    arrived.resolve();
    return context.json((await readJson(context, mebibyte)).value as object);
  });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => app.fetch(request),
  );
  const { port } = server.addr as Deno.NetAddr;
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(new TextEncoder().encode(
    'POST /sample HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"half":',
  ));
  await arrived.promise;
  client.close();
  const logged = await eventually(() => {
    const lines = written.mock.calls.map(([line]) => JSON.parse(line));
    return Promise.resolve(lines.some(({ message }) => message === "request") && lines);
  });
  expect(logged).toEqual([expect.objectContaining({ message: "request", status: 400 })]);
});

test("that a body is read twice is an error of ours, and not that it broke off", async () => {
  const raw = new Request("http://localhost", { method: "POST", body: "{}" });
  const context = { req: { raw } } as Context<AppEnv>;
  const reader = raw.body!.getReader();
  await expect(readJson(context, mebibyte)).rejects.toThrow(TypeError);
  reader.releaseLock();
});

test.each(["payload", "key"])(
  "a letter of a %s may have 30 accents, and no more",
  async (where) => {
    const text = (marks: number) => `e${"\u0301".repeat(marks)}`;
    const body = (marks: number) =>
      JSON.stringify(where === "key" ? { [text(marks)]: 1 } : { a: text(marks) });
    await expect(read(body(30))).resolves.toMatchObject({ text: body(30) });
    await expect(read(body(31))).rejects.toMatchObject({
      status: 400,
      issues: [{ message: expect.stringContaining("more than 30 combining marks") }],
    });
  },
);

describe("a mebibyte takes a few times its size to be read, full of", () => {
  const key = "Ж".repeat(190);
  const room = mebibyte - 1_000;

  test.each([
    ["numbers under a long key", "1"],
    ["lists under a long key", "[]"],
    ["objects under a long key", "{}"],
    ["lists of a list under a long key", "[[]]"],
  ])("%s", async (_, value) => {
    const body = `{"${key}":[${value}${`,${value}`.repeat(room / (value.length + 1) - 1)}]}`;
    // A process of its own: whoever takes too much is ended.
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--v8-flags=--max-old-space-size=64", "-A", "-"],
      cwd: new URL("../..", import.meta.url),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`
      import { readJson } from "./shared/platform/http/body.ts";
      const raw = new Request("http://localhost", { method: "POST", body: ${
      JSON.stringify(body)
    } });
      const { text } = await readJson({ req: { raw } }, ${mebibyte});
      console.log(text.length);
    `));
    await writer.close();
    const { stdout, stderr } = await child.output();
    expect(new TextDecoder().decode(stdout).trim(), new TextDecoder().decode(stderr).slice(0, 300))
      .toBe(String(body.length));
  });
});
