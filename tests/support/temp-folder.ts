import { afterExit } from "../../supabase/local/supervisor/after-exit.ts";

/**
 * A new folder under the system's temporary one, gone with what is in it once it is disposed of, or once this process is gone: tests
 * that are interrupted leave nothing behind, either.
 */
export async function tempFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "phoenix-test-" });
  // Root's PostgreSQL runs as another user, who has to pass through.
  await Deno.chmod(path, 0o711);
  // Servers that are ending may still write there.
  const callOff = afterExit('until rm -rf "$1"; do sleep 1; done', path);
  return {
    path,
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
      await callOff();
    },
  };
}
