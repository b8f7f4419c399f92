import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { bundleSize } from "../support/bundle-size.ts";
import { serve, unpack } from "../support/deployed-function.ts";
import type { Upload } from "../support/management-api.ts";
import { packageImports } from "../support/package-imports.ts";
import {
  environmentOfNobody,
  functionNames,
  uploadFunctions,
} from "../support/upload-functions.ts";

/** What server-side bundling takes. */
const LIMIT = 5_000_000;

const ImportMap = z.object({ imports: z.record(z.string(), z.string()) });

let temporary: string;
let uploads: ReadonlyMap<string, Upload>;

beforeAll(async () => {
  temporary = await Deno.makeTempDir({ prefix: "phoenix-deploy-" });
  uploads = await uploadFunctions(temporary);
});

afterAll(() => Deno.remove(temporary, { recursive: true }));

function uploadOf(name: string): Upload {
  const upload = uploads.get(name);
  if (!upload) throw new Error(`${name} was not deployed`);
  return upload;
}

async function unpacked(name: string): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: temporary, prefix: `${name}-` });
  await unpack(uploadOf(name), folder);
  return folder;
}

test("config.toml names every function there is, and no other", () => {
  expect([...uploads.keys()].sort()).toEqual(functionNames);
});

describe.each(functionNames)("%s", (name) => {
  test("is deployed from its own entry, with the shared import map, and checks its callers itself", () => {
    expect(uploadOf(name).metadata).toMatchObject({
      entrypoint_path: `functions/${name}/index.ts`,
      import_map_path: "functions/import_map.json",
      verify_jwt: false,
    });
  });

  test("imports only packages that the uploaded import map names", async () => {
    const { metadata, files } = uploadOf(name);
    const map = new TextDecoder().decode(files.get(metadata.import_map_path));
    const named = Object.keys(ImportMap.parse(JSON.parse(map)).imports);
    const unnamed = (await packageImports(uploadOf(name), await unpacked(name)))
      .filter((specifier) =>
        !named.some((key) => key.endsWith("/") ? specifier.startsWith(key) : specifier === key)
      );
    expect(unnamed).toEqual([]);
  });

  test("answers a request from nothing but what was uploaded", async () => {
    const folder = await unpacked(name);
    const started = performance.now();
    const served = await serve(uploadOf(name), folder, environmentOfNobody);
    try {
      const response = await fetch(`${served.url}/${name}`);
      await response.body?.cancel();
      console.log(
        `${name}: first answer ${Math.round(performance.now() - started)} ms after start`,
      );
      expect(response.headers.get("x-request-id")).toBeTruthy();
    } finally {
      await served.stop();
    }
  });

  test("is small enough for server-side bundling", async () => {
    const size = await bundleSize(uploadOf(name), await unpacked(name));
    const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1000)} kB`;
    console.log(
      `${name}: uploaded ${kilobytes(size.uploaded)}, bundled ${kilobytes(size.bundled)}, ` +
        `with whole packages ${kilobytes(size.packed)}`,
    );
    expect(Math.max(size.uploaded, size.bundled, size.packed)).toBeLessThan(LIMIT);
  });
});
