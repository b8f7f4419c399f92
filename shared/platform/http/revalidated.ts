import { etag, RETAINED_304_HEADERS } from "hono/etag";

/** Gives answers an `ETag`, and answers 304 without a body to a caller that has the same already. */
export const revalidated = etag({
  // Browsers read no answer without the last two.
  retainedHeaders: [
    ...RETAINED_304_HEADERS,
    "access-control-allow-origin",
    "access-control-expose-headers",
  ],
});
