import { createHmac } from "node:crypto";

/**
 * The `x-phoenix-signature` of a body: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.
 *
 * @param now milliseconds since 1970
 */
export function sign(body: string, secret: string, now: number): string {
  const time = Math.floor(now / 1000);
  const mac = createHmac("sha256", secret).update(`${time}.${body}`).digest("hex");
  return `t=${time},v1=${mac}`;
}
