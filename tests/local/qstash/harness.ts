import { Client, Receiver } from "@upstash/qstash";
import { createQStash, type QStashOptions } from "../../../supabase/local/qstash/server.ts";

export const token = "test-token";
export const currentSigningKey = "sig_current";
export const nextSigningKey = "sig_next";

/** A request as its destination saw it. */
export interface Delivery {
  method: string;
  path: string;
  url: string;
  headers: Headers;
  body: string;
  receivedAt: number;
}

export type Answer = (delivery: Delivery) => Response | Promise<Response>;

/** A real HTTP server that remembers what was delivered to it. */
export function startDestination(answer: Answer = () => new Response("thanks")) {
  const deliveries: Delivery[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const delivery: Delivery = {
      method: request.method,
      path: pathname + search,
      url: request.url,
      headers: request.headers,
      body: await request.text(),
      receivedAt: Date.now(),
    };
    deliveries.push(delivery);
    return await answer(delivery);
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return {
    url,
    deliveries,
    to: (path: string) => deliveries.filter((delivery) => delivery.path === path),
    close: () => server.shutdown(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A QStash on a free port with a file of its own, and the official SDK pointed at it. */
export async function startQStash(options: Partial<QStashOptions> = {}) {
  const folder = await Deno.makeTempDir({ prefix: "qstash-" });
  const qstash = createQStash({
    token,
    currentSigningKey,
    nextSigningKey,
    databasePath: `${folder}/qstash.db`,
    ...options,
  });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, qstash.fetch);
  const url = `http://127.0.0.1:${server.addr.port}`;
  async function close(): Promise<void> {
    await server.shutdown();
    await qstash.close();
    await Deno.remove(folder, { recursive: true });
  }
  return { url, client: connect(url), close, [Symbol.asyncDispose]: close };
}

export function connect(url: string): Client {
  return new Client({ baseUrl: url, token, retry: false, enableTelemetry: false });
}

export const receiver = new Receiver({ currentSigningKey, nextSigningKey });

/** Calls the API without the SDK, which hides statuses. */
export function call(url: string, method: string, path: string, init: RequestInit = {}) {
  return fetch(`${url}${path}`, {
    method,
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
  });
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
