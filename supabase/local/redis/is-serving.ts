import { Redis } from "ioredis";

/** Whether the Redis on this port answers: it listens before it has read its file, and until then may still give up. */
export async function isServing(port: number): Promise<boolean> {
  const redis = new Redis(port, "127.0.0.1", {
    protocol: 2,
    disableClientInfo: true,
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
  });
  // connect() and ping() fail with the same error.
  redis.on("error", () => {});
  try {
    await redis.connect();
    return await redis.ping() === "PONG";
  } finally {
    redis.disconnect();
  }
}
