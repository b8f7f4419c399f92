const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** A random identifier as QStash writes them: `msg_`, `scd_`, `jwt_`, `sig_` and base58 digits. */
export function createIdentifier(prefix: "msg" | "scd" | "jwt" | "sig"): string {
  const bytes = crypto.getRandomValues(new Uint8Array(28));
  return `${prefix}_${Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join("")}`;
}
