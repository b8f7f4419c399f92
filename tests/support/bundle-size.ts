import { builtinModules } from "node:module";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { rolldown } from "rolldown";
import type { Upload } from "./management-api.ts";

/** How large a deployed function is. */
export interface BundleSize {
  /** Bytes of what the CLI sends. */
  uploaded: number;
  /** Bytes of the function and of every package module it loads, as one minified file. */
  bundled: number;
  /** Bytes of the upload and of its packages whole, types and all, compressed with Brotli as the platform stores them. */
  packed: number;
}

/** Measures a function that was unpacked into `folder`, its packages beside it in `node_modules`. */
export async function bundleSize(upload: Upload, folder: string): Promise<BundleSize> {
  const bundle = await rolldown({
    input: join(folder, upload.metadata.entrypoint_path),
    platform: "neutral",
    // The platform loads modules whole, used or not.
    treeshake: false,
    external: [/^node:/, ...builtinModules],
    resolve: {
      conditionNames: ["deno", "import", "default"],
      mainFields: ["module", "main"],
      symlinks: false,
    },
    onLog() {},
  });
  try {
    const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false });
    const chunks = output.filter((part) => part.type === "chunk");
    const packages = new Set(chunks.flatMap((chunk) => chunk.moduleIds).flatMap(packageFolder));
    return {
      uploaded: sum([...upload.files.values()].map((content) => content.length)),
      bundled: sum(chunks.map((chunk) => new TextEncoder().encode(chunk.code).length)),
      packed: compressed([
        ...upload.files.values(),
        ...[...packages].flatMap(contents),
      ]),
    };
  } finally {
    await bundle.close();
  }
}

function packageFolder(moduleId: string): string[] {
  const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(moduleId)?.[0];
  return folder ? [folder] : [];
}

function contents(folder: string): Uint8Array[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory ? contents(path) : entry.isFile ? [Deno.readFileSync(path)] : [];
  });
}

function compressed(parts: readonly Uint8Array[]): number {
  return brotliCompressSync(Buffer.concat(parts), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 24 },
  }).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
