import type { GatewayConfig } from "./config.ts";
import { identify, isRefusal } from "./identity.ts";
import type { Lite } from "./lite.ts";
import { databaseError, databaseIsDown, postgrestError } from "./postgrest-error.ts";
import type { Rpc } from "./rpc.ts";
import type { Tokens } from "./tokens.ts";

/** `/rest/v1`: plain calls of functions by {@link Rpc}, all else by Lite. */
export function createRest(config: GatewayConfig, tokens: Tokens, rpc: Rpc, lite: Lite) {
  return async (request: Request): Promise<Response> => {
    const identity = await identify(request, config, tokens);
    if (isRefusal(identity)) return Response.json(identity, { status: 401 });
    const called = await rpc.answer(request, identity);
    if (called) return called;

    const asked = isHeadOfFunction(request) ? new Request(request, { method: "GET" }) : request;
    const answer = await lite.answer(asked, identity.isUser ? identity.claims : undefined);
    if (answer.response.status < 500) {
      return asked === request ? answer.response : await withoutBody(answer.response);
    }
    await answer.response.body?.cancel();
    const explained = databaseError(answer.databaseError, identity.role);
    if (explained) return explained;
    if (!await lite.isDatabaseUp()) return databaseIsDown();
    return postgrestError(
      500,
      "PGRSTX00",
      "The request could not be answered: see the gateway's log",
    );
  };
}

/** Whether it is a HEAD of a function, whose arguments Lite would take for filters; those of a GET it does not. */
function isHeadOfFunction({ method, url }: Request): boolean {
  return method === "HEAD" && new URL(url).pathname.startsWith("/rest/v1/rpc/");
}

async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel();
  return new Response(null, response);
}
