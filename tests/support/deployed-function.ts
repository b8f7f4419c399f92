import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Upload } from "./management-api.ts";

const NODE_MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** Writes what was uploaded into an empty folder, with the installed packages beside it. */
export async function unpack(upload: Upload, folder: string): Promise<void> {
  for (const [path, content] of upload.files) {
    const target = join(folder, path);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, content);
  }
  await Deno.symlink(NODE_MODULES, join(folder, "node_modules"), { type: "dir" });
}

/** A function that is being served. */
export interface ServedFunction {
  url: string;
  stop(): Promise<void>;
}

/**
 * Serves an unpacked function with the permissions of Supabase's edge runtime and nothing of this process's environment.
 *
 * @param folder where {@link unpack} put it
 * @throws when it does not boot, with what it printed
 */
export async function serve(
  { metadata }: Upload,
  folder: string,
  environment: Record<string, string>,
): Promise<ServedFunction> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["serve", "--host=127.0.0.1", "--port=0"],
      ...["--allow-net=127.0.0.1", "--allow-env", "--allow-read"],
      ...["--no-config", "--no-remote", "--node-modules-dir=manual"],
      `--import-map=${metadata.import_map_path}`,
      metadata.entrypoint_path,
    ],
    cwd: folder,
    clearEnv: true,
    env: { ...environment, DENO_DIR: join(folder, ".deno"), DENO_NO_UPDATE_CHECK: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch { /* it has exited */ }
    await child.status;
  };

  let printed = "";
  const booted = Promise.withResolvers<string>();
  const reading = (async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      printed += text;
      const url = /Listening on (http:\S+?)\/?\s/.exec(printed)?.[1];
      if (url) booted.resolve(url);
    }
    booted.reject(new Error(`${metadata.name} did not boot:\n${printed}`));
  })();

  try {
    const url = await booted.promise;
    return {
      url,
      async stop() {
        await stop();
        await reading;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
