const LOOPBACK = ["127.0.0.1", "localhost"];

/**
 * Keeps calls to this machine away from the proxy that the environment may name, which cannot reach it. That goes for this process,
 * whose first fetch() reads the environment for all later ones, and for processes that inherit its environment.
 */
export function callLoopbackDirectly(): void {
  const named = Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? "";
  const direct = new Set([...named.split(",").filter((host) => host !== ""), ...LOOPBACK]);
  Deno.env.set("NO_PROXY", [...direct].join(","));
}
