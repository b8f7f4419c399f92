import { createHash } from "node:crypto";

const encoder = new TextEncoder();

/**
 * UUID version 5 (RFC 9562, 5.5): the same namespace and name give the same id, everywhere and in every replay.
 *
 * @param namespace a UUID
 */
export function uuidV5(namespace: string, name: string): string {
  // One update with everything, read back as text: each step into and out of the hash costs more than hashing.
  const bytes = new Uint8Array(16 + 3 * name.length);
  writeUuid(namespace, bytes);
  const { written } = encoder.encodeInto(name, bytes.subarray(16));
  const hex = createHash("sha1").update(bytes.subarray(0, 16 + written)).digest("hex");
  const variant = "89ab"[parseInt(hex[16]!, 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${
    hex.slice(17, 20)
  }-${hex.slice(20, 32)}`;
}

/** A UUID's 16 bytes. */
function writeUuid(uuid: string, bytes: Uint8Array): void {
  let place = 0;
  for (let index = 0; index < uuid.length && place < 16; index += 2) {
    if (uuid[index] === "-") index++;
    bytes[place++] = digit(uuid.charCodeAt(index)) << 4 | digit(uuid.charCodeAt(index + 1));
  }
}

/** The value of a hexadecimal digit's character: letters, of either case, follow their lower bits. */
function digit(code: number): number {
  return (code & 0xf) + (code >> 6) * 9;
}
