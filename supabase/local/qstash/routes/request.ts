import { RequestError } from "../request-error.ts";

/**
 * What follows `prefix` in a request's URL, as it was sent: a destination keeps its slashes and its
 * query, which routing would normalise. The API's own token parameter is not part of it.
 */
export function destinationAfter(prefix: string, request: Request): string {
  const { pathname, search } = new URL(request.url);
  const rest = pathname.slice(pathname.indexOf(prefix) + prefix.length);
  const parameters = search.slice(1).split("&").filter((parameter) =>
    parameter !== "" && !parameter.startsWith("qstash_token=")
  );
  const query = parameters.length > 0 ? `?${parameters.join("&")}` : "";
  return /^https?%3A/i.test(rest) ? decodeURIComponent(rest) + query : rest + query;
}

/** The publisher's address. The server listens on loopback, so a proxy's word is taken for it. */
export function callerIp(request: Request): string {
  return request.headers.get("x-forwarded-for")?.split(",")[0]?.trim() || "127.0.0.1";
}

/** @throws RequestError 400 where a queue's or schedule's name has other characters than QStash allows. */
export function validName(name: string, what: "queue name" | "schedule id"): string {
  if (/^[A-Za-z0-9._-]+$/.test(name)) return name;
  throw new RequestError(
    400,
    `invalid ${what}: it can only contain alphanumeric characters, hyphens, periods, and underscores`,
  );
}
