import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, Visitor } from "rolldown/utils";

const PROJECT_ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A file of the project, by its path in it. */
export interface TrackedFile {
  path: string;
  text: string;
}

/** What a TypeScript file says about itself, whatever it does. */
export interface SourceFile extends TrackedFile {
  /** Paths of the project's files that it imports, whether as a value or as a type. */
  files: string[];
  /** Everything else that it imports, as it is written: packages and `node:` modules. */
  packages: string[];
  /** The names in the object that it exports as default; the text of anything else that it exports so. */
  defaultExport: string[] | undefined;
  /** Whether a type in it is `any`. */
  hasAny: boolean;
  /** Where it asks the outside world: the clock, chance, the network, the system. */
  impurities: string[];
}

const OUTSIDE = new Set([
  ...["Deno", "process", "fetch", "crypto", "performance", "console", "globalThis"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask"],
]);

/**
 * Every file that git knows or would add.
 *
 * @throws Error where git does not say
 */
export async function trackedFiles(): Promise<TrackedFile[]> {
  const { success, stdout } = await new Deno.Command("git", {
    args: [
      "-c",
      "safe.directory=*",
      "ls-files",
      "-z",
      "--cached",
      "--others",
      "--exclude-standard",
    ],
    cwd: PROJECT_ROOT,
  }).output();
  if (!success) throw new Error("git does not say which files there are.");
  const paths = new TextDecoder().decode(stdout).split("\0").filter(Boolean);
  const files = await Promise.all(paths.map(async (path) => {
    const text = await Deno.readTextFile(PROJECT_ROOT + path).catch(() => undefined);
    return text === undefined ? [] : [{ path, text }];
  }));
  return files.flat();
}

/**
 * Reads a TypeScript file with a parser.
 *
 * @throws Error where it is not TypeScript
 */
export function readSource({ path, text }: TrackedFile): SourceFile {
  const { program, module, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])
    ),
  ];
  let defaultExport: string[] | undefined;
  let hasAny = false;
  const impurities: string[] = [];
  const identifiers: { name: string; start: number }[] = [];
  const memberNames = new Set<number>();
  new Visitor({
    ExportDefaultDeclaration: ({ declaration }) => {
      const parts = declaration.type === "ObjectExpression"
        ? declaration.properties.map((each) => each.type === "Property" ? each.key : each)
        : [declaration];
      defaultExport = parts.map(({ start, end }) => text.slice(start, end));
    },
    ImportExpression: ({ source }) => {
      if (source.type === "Literal") specifiers.push(String(source.value));
    },
    TSImportType: ({ source }) => specifiers.push(source.value),
    TSAnyKeyword: () => {
      hasAny = true;
    },
    Identifier: (node) => identifiers.push(node),
    Property: ({ key, shorthand }) => {
      if (!shorthand) memberNames.add(key.start);
    },
    TSPropertySignature: ({ key }) => memberNames.add(key.start),
    MemberExpression: ({ property, computed, start, end }) => {
      if (!computed) memberNames.add(property.start);
      const member = text.slice(start, end);
      if (member === "Math.random" || member === "Date.now") impurities.push(member);
    },
    NewExpression: ({ callee, arguments: { length }, start, end }) => {
      if (callee.type === "Identifier" && callee.name === "Date" && length === 0) {
        impurities.push(text.slice(start, end));
      }
    },
  }).visit(program);
  for (const { name, start } of identifiers) {
    if (OUTSIDE.has(name) && !memberNames.has(start)) impurities.push(name);
  }
  const isFile = (specifier: string) => /^\.{1,2}\//.test(specifier);
  return {
    path,
    text,
    files: specifiers.filter(isFile).map((each) => posix.join(posix.dirname(path), each)),
    packages: specifiers.filter((specifier) => !isFile(specifier)),
    defaultExport,
    hasAny,
    impurities,
  };
}
