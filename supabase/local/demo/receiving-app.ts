import { createHmac, timingSafeEqual } from "node:crypto";

/** What an app was told. */
export interface Delivery {
  user_id: string;
  transition_id: string;
  context: Record<string, unknown>;
}

/** A Phoenix app's own server, which takes deliveries in as docs/transitions.md says. */
export class ReceivingApp {
  readonly deliveries: Delivery[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  secret = "";

  /** @param answer what the app answers a delivery with: nothing is a plain 200 */
  constructor(readonly name: string, answer: object = {}) {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => {
        const body = await request.text();
        if (!this.#isFromPhoenix(body, request.headers.get("x-phoenix-signature") ?? "")) {
          return new Response(null, { status: 401 });
        }
        this.deliveries.push(JSON.parse(body));
        return Response.json(answer);
      },
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/phoenix/transitions`;
  }

  stop(): Promise<void> {
    return this.#server.shutdown();
  }

  #isFromPhoenix(body: string, header: string): boolean {
    const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
    if (!time || !mac) return false;
    const expected = createHmac("sha256", this.secret).update(`${time}.${body}`).digest();
    return timingSafeEqual(expected, Uint8Array.fromHex(mac));
  }
}
