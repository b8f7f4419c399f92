import type { ContentfulStatusCode } from "hono/utils/http-status";

/** A field of a request, and what is wrong with it. */
export interface Issue {
  field: string;
  message: string;
}

/** An error that a caller is told: a status, a code for programs and a message for people. */
export class HttpError extends Error {
  override readonly name = "HttpError";

  constructor(
    readonly status: ContentfulStatusCode,
    readonly code: string,
    message: string,
    readonly issues?: readonly Issue[],
  ) {
    super(message);
  }

  /** The body of the answer. */
  toBody(requestId: string) {
    const { code, message, issues } = this;
    return { error: { code, message, ...(issues && { issues }), request_id: requestId } };
  }
}
