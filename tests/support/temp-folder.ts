/** A new folder under the system's temporary one, gone with what is in it once it is disposed of. */
export async function tempFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "phoenix-test-" });
  // Root's PostgreSQL runs as another user, who has to pass through.
  await Deno.chmod(path, 0o711);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
