/**
 * The one URL that clients know: `/rest/v1` and `/auth/v1` by Supabase Lite on the stack's database, `/functions/v1` passed on
 * to the functions server.
 *
 * Environment: `GATEWAY_CONFIG`, the JSON of {@link gatewayConfigSchema}.
 */
import { createAuth } from "./auth.ts";
import { gatewayConfigSchema } from "./config.ts";
import { answerPreflight, withCors } from "./cors.ts";
import { createFunctionsProxy } from "./functions-proxy.ts";
import { createLite } from "./lite.ts";
import { createRest } from "./rest.ts";
import { createRpc } from "./rpc.ts";
import { watchSchema } from "./schema-watch.ts";
import { createTokens } from "./tokens.ts";

const config = gatewayConfigSchema.parse(JSON.parse(Deno.env.get("GATEWAY_CONFIG") ?? "{}"));
const tokens = await createTokens(config);
const lite = createLite(config, tokens);
const rpc = createRpc(config.authenticatorUrl);
const rest = createRest(config, tokens, rpc, lite);
const auth = createAuth(config, tokens, lite);
const functions = createFunctionsProxy(config);

watchSchema(config.databaseUrl, () => {
  rpc.reload();
  lite.reload();
});

const index = {
  name: "Phoenix Flywheel, local stack",
  rest: `${config.apiUrl}/rest/v1`,
  auth: `${config.apiUrl}/auth/v1`,
  functions: `${config.apiUrl}/functions/v1`,
};

async function route(request: Request, client: Deno.NetAddr): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, area, version] = pathname.split("/");
  if (area === "functions" && version === "v1") return await functions(request, client);
  if (!isDecodable(pathname)) {
    return Response.json({ message: "the path is not percent-encoded UTF-8" }, { status: 400 });
  }
  if (request.method === "OPTIONS") return answerPreflight(request);
  if (area === "rest" && version === "v1") return await rest(request);
  if (area === "auth" && version === "v1") return await auth(request);
  if (pathname === "/") return Response.json(index);
  return Response.json({ message: `no route for ${pathname}` }, { status: 404 });
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
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
