import type { GatewayConfig } from "./config.ts";
import { answerPreflight } from "./cors.ts";

// Headers that concern one connection and not the message, but for those that fetch() sees to: host and transfer-encoding.
const HOP_BY_HOP = ["connection", "keep-alive", "te", "trailer", "upgrade"];

/**
 * Passes `/functions/v1/<name>/…` on to the functions server as `/<name>/…`, which is the path that a function sees on
 * Supabase. Bodies stream both ways.
 */
export function createFunctionsProxy(config: GatewayConfig) {
  const httpClient = Deno.createHttpClient({ poolMaxIdlePerHost: 256 });

  return async (request: Request, client: Deno.NetAddr): Promise<Response> => {
    const url = new URL(request.url);
    const target = config.functionsOrigin + url.pathname.slice("/functions/v1".length) + url.search;
    const headers = new Headers(request.headers);
    for (const name of HOP_BY_HOP) headers.delete(name);
    headers.set(
      "x-forwarded-for",
      [headers.get("x-forwarded-for"), client.hostname].filter(Boolean).join(", "),
    );
    headers.set("x-forwarded-host", url.host);
    headers.set("x-forwarded-proto", "http");
    headers.set("x-forwarded-port", String(config.port));
    // fetch() would undo a compression it asked for by itself; between two local processes there is none to gain.
    headers.set("accept-encoding", "identity");

    let response: Response;
    try {
      response = await fetch(target, {
        method: request.method,
        headers,
        body: request.body,
        redirect: "manual",
        signal: request.signal,
        client: httpClient,
      });
    } catch {
      if (request.method === "OPTIONS") return answerPreflight(request);
      return Response.json(
        {
          code: "SERVICE_UNAVAILABLE",
          message: "The functions are not running: try again shortly.",
        },
        { status: 503, headers: { "x-relay-error": "true", "retry-after": "1" } },
      );
    }
    const wantsPreflight = request.method === "OPTIONS" &&
      request.headers.has("access-control-request-method");
    if (wantsPreflight && !response.headers.has("access-control-allow-origin")) {
      await response.body?.cancel();
      return answerPreflight(request);
    }
    return response;
  };
}
