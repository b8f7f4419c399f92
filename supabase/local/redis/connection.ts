import { Redis, ReplyError } from "ioredis";
import type { Command } from "./command.ts";
import type { Reply } from "./reply.ts";
import { createScriptTranslator } from "./scripts.ts";

/** How one command ended: with Redis's reply, or with the error that Redis gave for it. */
export type Outcome = { readonly reply: Reply } | { readonly error: string };

/** Redis cannot be reached or does not answer; nothing is known about what it did with the command. */
export class RedisUnavailable extends Error {}

/** One connection that comes back by itself. Its calls reject with {@link RedisUnavailable} and never wait for that. */
export interface Connection {
  /** Sends commands in order, each on its own: one that fails stops none of the others. */
  run(commands: readonly Command[]): Promise<Outcome[]>;
  /** Sends commands as one transaction; a single error means that Redis discarded it as a whole. */
  transact(commands: readonly Command[]): Promise<Outcome[] | { readonly error: string }>;
  /** Whether Redis can be asked now. */
  isReady(): boolean;
  close(): void;
}

const RECONNECT_AT_MOST_EVERY_MS = 500;
const ANSWER_WITHIN_MS = 3_000;

export function connect(redisUrl: string): Connection {
  const redis = new Redis(redisUrl, {
    protocol: 2,
    disableClientInfo: true,
    connectTimeout: ANSWER_WITHIN_MS,
    commandTimeout: ANSWER_WITHIN_MS,
    retryStrategy: (times) => Math.min(times * 50, RECONNECT_AT_MOST_EVERY_MS),
    // An HTTP client is told at once that Redis is away, and decides itself whether to repeat a command.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  // The next attempt is under way already, and every command says that Redis is away.
  redis.on("error", () => {});

  const translate = createScriptTranslator();
  const send = (command: Command) => {
    const { name, args } = translate(command);
    return outcomeOf(redis.callBuffer(name, [...args]) as Promise<Reply>);
  };

  return {
    run: (commands) => Promise.all(commands.map(send)),
    // The connection is shared: what keeps a transaction together is that all of it is written in one go.
    async transact(commands) {
      const [, ...answers] = await Promise.all(
        [{ name: "MULTI", args: [] }, ...commands, { name: "EXEC", args: [] }].map(send),
      );
      const executed = answers.pop();
      if (executed && "reply" in executed && Array.isArray(executed.reply)) {
        return executed.reply.map(outcomeOfItem);
      }
      const cause = answers.find((answer) => "error" in answer) ?? executed;
      return {
        error: cause && "error" in cause
          ? `EXECABORT Transaction discarded because of: ${cause.error}`
          : "EXECABORT Transaction discarded",
      };
    },
    isReady: () => redis.status === "ready",
    close: () => redis.disconnect(),
  };
}

async function outcomeOf(answer: Promise<Reply>): Promise<Outcome> {
  try {
    return { reply: await answer };
  } catch (error) {
    if (error instanceof Error && error instanceof ReplyError) return { error: error.message };
    throw new RedisUnavailable("Redis is unavailable", { cause: error });
  }
}

function outcomeOfItem(item: Reply): Outcome {
  return item instanceof Error ? { error: item.message } : { reply: item };
}
