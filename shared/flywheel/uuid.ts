import { createHash } from "node:crypto";

/**
 * UUID version 5 (RFC 9562, 5.5): the same namespace and name give the same id, everywhere and in every replay.
 *
 * @param namespace a UUID
 */
export function uuidV5(namespace: string, name: string): string {
  const hash = createHash("sha1")
    .update(
      Uint8Array.from(
        namespace.replaceAll("-", "").match(/../g) ?? [],
        (byte) => parseInt(byte, 16),
      ),
    )
    .update(name)
    .digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20, 32),
  ]
    .join("-");
}
