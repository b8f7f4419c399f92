/**
 * Serves one function with the edge runtime's permissions: network, environment, reading files.
 *
 * Arguments: the function's `index.ts`, which has `{ fetch }` as its default export, and a mark. Prints the mark and a port of 127.0.0.1
 * that was free, on which it listens.
 */
import { pathToFileURL } from "node:url";

const [, , entry, mark] = Deno.args;
const { default: handler } = await import(pathToFileURL(entry!).href);
if (typeof handler?.fetch !== "function") {
  console.error(`${entry} does not export default { fetch }`);
  Deno.exit(1);
}
const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`${mark} ${port}`) },
  (request: Request) => handler.fetch(request),
);

// Requests under way are still answered; new ones go elsewhere by now.
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  Deno.exit(0);
});
