/**
 * The one URL that clients know: `/rest/v1` and `/auth/v1` by Supabase Lite on the stack's database, `/functions/v1` passed on
 * to the functions server.
 *
 * Environment: `GATEWAY_CONFIG`, the JSON of {@link gatewayConfigSchema}.
 */
import { createApi } from "./api.ts";
import { gatewayConfigSchema } from "./config.ts";
import { answerPreflight, withCors } from "./cors.ts";
import { createFunctionsProxy } from "./functions-proxy.ts";
import { createTokens } from "./tokens.ts";

const config = gatewayConfigSchema.parse(JSON.parse(Deno.env.get("GATEWAY_CONFIG") ?? "{}"));
const tokens = await createTokens(config);
const api = createApi(config, tokens);
const functions = createFunctionsProxy(config);

const index = {
  name: "Phoenix Flywheel, local stack",
  rest: `${config.apiUrl}/rest/v1`,
  auth: `${config.apiUrl}/auth/v1`,
  functions: `${config.apiUrl}/functions/v1`,
};

async function route(request: Request, client: Deno.NetAddr): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith("/functions/v1/")) return await functions(request, client);
  if (request.method === "OPTIONS") return answerPreflight(request);
  if (pathname === "/auth/v1/.well-known/jwks.json") return Response.json(tokens.jwks);
  if (pathname.startsWith("/rest/v1") || pathname.startsWith("/auth/v1")) {
    return await api(request);
  }
  if (pathname === "/") return Response.json(index);
  return Response.json({ message: `no route for ${pathname}` }, { status: 404 });
}

Deno.serve({
  hostname: "127.0.0.1",
  port: config.port,
  onListen: () => console.log(`serving ${config.apiUrl}`),
  onError: (error) => {
    console.error(error);
    return withCors(Response.json({ message: "internal error" }, { status: 500 }));
  },
}, async (request, info) => withCors(await route(request, info.remoteAddr)));
