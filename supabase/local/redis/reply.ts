import { Buffer } from "node:buffer";

/** What Redis replied, strings as bytes. An error stands only inside an array: what EXEC or a script returned. */
export type Reply = Buffer | string | number | null | Error | readonly Reply[];

/** A reply in JSON. */
export type JsonReply = string | number | null | readonly JsonReply[];

/** How strings travel: `base64` carries any bytes, `text` only what is valid UTF-8. */
export type Encoding = "base64" | "text";

/**
 * Writes a reply as the REST protocol does: in base64 every string is encoded but a lone `OK`, which clients look for
 * before they decode.
 */
export function encodeReply(reply: Reply, encoding: Encoding): JsonReply {
  const isOk = Buffer.isBuffer(reply) && reply.toString() === "OK";
  return isOk ? "OK" : encodeNested(reply, encoding);
}

function encodeNested(reply: Reply, encoding: Encoding): JsonReply {
  if (reply === null || typeof reply === "number") return reply;
  if (Array.isArray(reply)) return reply.map((item: Reply) => encodeNested(item, encoding));
  const bytes = Buffer.isBuffer(reply)
    ? reply
    : Buffer.from(reply instanceof Error ? reply.message : String(reply));
  return bytes.toString(encoding === "base64" ? "base64" : "utf8");
}
