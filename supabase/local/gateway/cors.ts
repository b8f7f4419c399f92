const ALLOW_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const EXPOSE_HEADERS =
  "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Preference-Applied, " +
  "Range-Unit, Retry-After, Server, X-Relay-Error, X-Request-Id, X-Supabase-Api-Version";

/** The answer to a browser that asks whether it may send the request it has in mind: it may. */
export function answerPreflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": ALLOW_METHODS,
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ??
        "authorization, apikey, content-type, x-client-info",
      "access-control-max-age": "3600",
      vary: "access-control-request-headers",
    },
  });
}

/** Lets a browser of any origin read the answer, unless the answer already says who may. */
export function withCors(response: Response): Response {
  if (response.headers.has("access-control-allow-origin")) return response;
  const headers = new Headers(response.headers);
  headers.set("access-control-allow-origin", "*");
  headers.set("access-control-expose-headers", EXPOSE_HEADERS);
  return new Response(response.body, { status: response.status, headers });
}
