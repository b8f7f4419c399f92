const LOOPBACK = ["127.0.0.1", "localhost"];

/**
 * Keeps calls to this machine from the proxy that the environment may name, which cannot reach it: those of this process, whose
 * first fetch() reads the environment for all that follow, and of those that inherit from it.
 */
export function callLoopbackDirectly(): void {
  const named = Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? "";
  const direct = new Set([...named.split(",").filter((host) => host !== ""), ...LOOPBACK]);
  Deno.env.set("NO_PROXY", [...direct].join(","));
}
