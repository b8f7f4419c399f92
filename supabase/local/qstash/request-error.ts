import type { ContentfulStatusCode } from "hono/utils/http-status";

/** A request that is refused; the server answers it with `{ "error": message }` and the status. */
export class RequestError extends Error {
  override readonly name = "RequestError";

  constructor(readonly status: ContentfulStatusCode, message: string) {
    super(message);
  }
}
