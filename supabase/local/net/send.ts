/** A request as pg_net queues it. */
export interface OutgoingRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body: Uint8Array<ArrayBuffer> | null;
  timeoutMs: number;
}

/** What came of it, in the columns of `net._http_response`. */
export interface Answer {
  status: number | null;
  contentType: string | null;
  headers: Record<string, string> | null;
  content: string | null;
  timedOut: boolean | null;
  error: string | null;
}

/** Sends a request once. Never throws: what went wrong stands in the answer's `error`. */
export async function send(request: OutgoingRequest): Promise<Answer> {
  try {
    const response = await fetch(request.url, {
      method: request.method,
      headers: { "user-agent": "pg_net", ...request.headers },
      body: request.method === "GET" ? null : request.body,
      signal: AbortSignal.timeout(request.timeoutMs),
    });
    return {
      status: response.status,
      contentType: response.headers.get("content-type"),
      headers: Object.fromEntries(response.headers),
      // A text column cannot hold NUL.
      content: (await response.text()).replaceAll("\0", ""),
      timedOut: false,
      error: null,
    };
  } catch (error) {
    const timedOut = error instanceof DOMException && error.name === "TimeoutError";
    return {
      status: null,
      contentType: null,
      headers: null,
      content: null,
      timedOut,
      error: timedOut ? `Timeout of ${request.timeoutMs} ms reached` : reasonOf(error),
    };
  }
}

/** fetch() says what went wrong in the cause of its error. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
