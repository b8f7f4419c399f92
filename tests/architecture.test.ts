import { posix } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { readSource, trackedFiles } from "./support/source-files.ts";

const tracked = await trackedFiles();
const sources = tracked.filter(({ path }) => path.endsWith(".ts")).map(readSource);
const shipped = sources.filter(({ path }) => isShipped(path));

const SHARED = ["shared/domain", "shared/flywheel", "shared/platform"];

/** What a layer may import besides itself. */
const MAY_IMPORT: Record<string, string[]> = {
  "shared/domain": [],
  "shared/platform": [],
  "shared/flywheel": ["shared/domain", "shared/platform"],
  "functions": SHARED,
  "supabase/local": SHARED,
  "supabase/tools": [...SHARED, "supabase/local"],
};

function isShipped(path: string): boolean {
  return /^(functions|shared)\//.test(path);
}

/** `shared/domain`, `supabase/local`; each function is a layer of its own, such as `functions/events`. */
function layerOf(path: string): string {
  return path.split("/").slice(0, 2).join("/");
}

async function readJson<Shape>(path: string, shape: z.ZodType<Shape>): Promise<Shape> {
  return shape.parse(JSON.parse(await Deno.readTextFile(new URL(`../${path}`, import.meta.url))));
}

/** Whether a name of the import map stands for a specifier: as a whole, or for all that begin with it. */
function stands(name: string, specifier: string): boolean {
  return name.endsWith("/") ? specifier.startsWith(name) : specifier === name;
}

const Versions = z.record(z.string(), z.string());

test("the rules see an import in whatever form it is written", () => {
  const { files, packages, defaultExport, hasAny, impurities } = readSource({
    path: "shared/domain/sample.ts",
    text: `
      import { a } from "../platform/a.ts";
      import type { B } from "./b.ts";
      export * from "../../functions/events/c.ts";
      type D = import("d").D;
      const e = await import("e");
      const f: any = { fetch: a.fetch, now: Date.now(), today: new Date(), past: new Date(0) };
      export default { fetch() {} };
    `,
  });
  expect(files).toEqual(["shared/platform/a.ts", "shared/domain/b.ts", "functions/events/c.ts"]);
  expect(packages).toEqual(["d", "e"]);
  expect(defaultExport).toEqual(["fetch"]);
  expect(hasAny).toBe(true);
  expect(impurities).toEqual(["Date.now", "new Date()"]);
});

test("imports run one way: functions to flywheel to domain, and both of the former to platform", () => {
  const wrong = sources
    .filter(({ path }) => isShipped(path) || path.startsWith("supabase/"))
    .flatMap(({ path, files }) => {
      const layer = layerOf(path);
      const allowed = MAY_IMPORT[layer] ?? MAY_IMPORT[posix.dirname(layer)] ?? [];
      return files
        .filter((file) => layerOf(file) !== layer && !allowed.includes(layerOf(file)))
        .map((file) => `${path} imports ${file}`);
    });
  expect(wrong).toEqual([]);
});

test("what ships imports the packages of the import map, and those are what is tested here", async () => {
  const { imports } = await readJson("functions/import_map.json", z.object({ imports: Versions }));
  const { dependencies } = await readJson("package.json", z.object({ dependencies: Versions }));
  for (const [name, target] of Object.entries(imports)) {
    const [, installed = "", version] = /^npm:\/?(@[^/]+\/[^@/]+|[^@/]+)@([^/]+)/.exec(target) ??
      [];
    expect(version, `${name} in the import map`).toBe(dependencies[installed]);
  }

  const names = Object.keys(imports);
  const used = shipped.flatMap(({ path, packages }) =>
    packages.filter((each) => !each.startsWith("node:")).map((specifier) => ({ path, specifier }))
  );
  expect(used.filter(({ specifier }) => !names.some((name) => stands(name, specifier)))).toEqual(
    [],
  );
  expect(names.filter((name) => !used.some(({ specifier }) => stands(name, specifier)))).toEqual(
    [],
  );
});

test("the domain imports only zod, and asks neither clock nor chance nor the outside world", () => {
  const domain = shipped.filter(({ path }) => layerOf(path) === "shared/domain");
  for (const { path, packages, impurities } of domain) {
    expect(packages.filter((specifier) => specifier !== "zod"), path).toEqual([]);
    expect(impurities, path).toEqual([]);
  }
});

test("what a function's entry exports is { fetch }, and nothing else has a default export", () => {
  // Vitest reads its configuration and its global setup as default exports.
  const forVitest = ["vitest.config.ts", "tests/support/global-setup.ts"];
  for (const { path, defaultExport } of sources) {
    if (/(^functions|\/fixtures\/.+)\/[^/]+\/index\.ts$/.test(path)) {
      expect(defaultExport, path).toEqual(["fetch"]);
    } else if (!forVitest.includes(path)) expect(defaultExport, path).toBeUndefined();
  }
});

test("nothing is of type any", () => {
  expect(sources.filter(({ hasAny }) => hasAny).map(({ path }) => path)).toEqual([]);
});

test("what ships reads JSON by parseJson(), which knows a fault of V8", () => {
  expect(shipped.filter(({ text }) => text.includes("JSON.parse(")).map(({ path }) => path))
    .toEqual(["shared/platform/parse-json.ts"]);
});

test("nothing outside the tests refers to what lies around the project", () => {
  const wrong = tracked
    .filter(({ path }) => !path.startsWith("tests/"))
    .flatMap(({ path, text }) => {
      const depth = path.split("/").length - 1;
      return [...text.matchAll(/((?:\.\.\/)+)[\w@-][\w./@-]*/g)]
        .filter(([, ascent = ""]) => ascent.length / "../".length > depth)
        .map(([reference]) => `${path} refers to ${reference}`);
    });
  expect(wrong).toEqual([]);
});

test("no file names a place on one machine", () => {
  const wrong = tracked.flatMap(({ path, text }) =>
    [...text.matchAll(/(?<![\w./}])\/(?:work|home|root|Users)\/[\w./-]+/g)]
      .map(([place]) => `${path} names ${place}`)
  );
  expect(wrong).toEqual([]);
});
