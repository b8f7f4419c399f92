/** A delivery as the app received it. */
export interface Received {
  type: string;
  user_id: string;
  source_app: string;
  target_app: string;
  context: Record<string, unknown>;
  timestamp: string;
  delivery_id: string;
  transition_id: string;
  /** How the delivery came: the body, byte for byte, and its signature. */
  text: string;
  signature: string;
  /** How often this delivery has come, from 1. */
  attempt: number;
  /** Milliseconds since 1970. */
  receivedAt: number;
}

/** How an app answers a delivery. */
export type Behaviour = (received: Received) => Response | Promise<Response>;

/** A Phoenix app's own server: it remembers what it is sent, and answers each user's deliveries as the test says. */
export interface ReceivingApp extends AsyncDisposable {
  url: string;
  received: readonly Received[];
  /** What was received about a user, in its order. */
  about(user_id: string): Received[];
  /** The first of it: @throws Error where nothing was received */
  first(user_id: string): Received;
  /** How deliveries about a user are answered; otherwise with 200. */
  answer(user_id: string, behaviour: Behaviour): void;
  /** Goes away, and comes back at the same address. */
  stop(): Promise<void>;
  start(): void;
}

/** Starts such an app on a free port. */
export function receivingApp(): ReceivingApp {
  const received: Received[] = [];
  const behaviours = new Map<string, Behaviour>();
  const about = (user_id: string) => received.filter((each) => each.user_id === user_id);

  async function handle(request: Request): Promise<Response> {
    const text = await request.text();
    const message = JSON.parse(text) as Omit<
      Received,
      "text" | "signature" | "attempt" | "receivedAt"
    >;
    const before = received.filter(({ delivery_id }) => delivery_id === message.delivery_id);
    const delivery: Received = {
      ...message,
      text,
      signature: request.headers.get("x-phoenix-signature") ?? "",
      attempt: before.length + 1,
      receivedAt: Date.now(),
    };
    received.push(delivery);
    return await (behaviours.get(message.user_id) ?? (() => new Response("merci")))(delivery);
  }

  const listen = (port: number) =>
    Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, handle);
  let server: Deno.HttpServer<Deno.NetAddr> | undefined = listen(0);
  const { port } = server.addr;

  async function stop(): Promise<void> {
    const stopping = server;
    server = undefined;
    await stopping?.shutdown();
  }

  return {
    url: `http://127.0.0.1:${port}/phoenix/transitions`,
    received,
    about,
    first(user_id) {
      const [first] = about(user_id);
      if (!first) throw new Error("nothing was received about this user");
      return first;
    },
    answer: (user_id, behaviour) => void behaviours.set(user_id, behaviour),
    stop,
    start: () => void (server ??= listen(port)),
    [Symbol.asyncDispose]: stop,
  };
}
