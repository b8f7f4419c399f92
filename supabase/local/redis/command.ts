import { Buffer } from "node:buffer";
import { z } from "zod";
import { refusalOf } from "./refused-commands.ts";

/** A Redis command as the client sent it: its name in upper case, then its arguments. */
export interface Command {
  readonly name: string;
  readonly args: readonly (string | Buffer)[];
}

/** The request cannot be turned into a command that this front may run; `message` goes to the client. */
export class InvalidCommand extends Error {}

const words = z.array(z.union([z.string(), z.number(), z.boolean()]).transform(String)).min(1);

/**
 * Reads `["SET", "key", 1]`, the JSON form of one command.
 *
 * @throws InvalidCommand when it has another shape or names a command that is refused.
 */
export function commandFromJson(json: unknown): Command {
  const parsed = words.safeParse(json);
  if (!parsed.success) throw new InvalidCommand("ERR failed to parse command");
  return toCommand(parsed.data);
}

/**
 * Reads `/set/key?EX=10` with the value as body: the path's segments, then the body, then the query.
 *
 * @throws InvalidCommand when the path is not validly encoded or names a command that is refused.
 */
export function commandFromUrl(url: URL, body: Uint8Array): Command {
  return toCommand([
    ...pathWords(url),
    ...(body.length > 0 ? [Buffer.from(body)] : []),
    ...[...url.searchParams].filter(([key]) => key !== "_token").flatMap(queryWords),
  ]);
}

function pathWords(url: URL): string[] {
  try {
    return url.pathname.split("/").slice(1).map(decodeURIComponent);
  } catch {
    throw new InvalidCommand("ERR failed to parse command");
  }
}

/** `?EX=10&NX` stands for `EX 10 NX`. */
function queryWords([key, value]: [string, string]): string[] {
  return value === "" ? [key] : [key, value];
}

function toCommand([first, ...args]: (string | Buffer)[]): Command {
  const name = String(first).toUpperCase();
  if (name === "") throw new InvalidCommand("ERR empty command");
  const refusal = refusalOf(name, args);
  if (refusal) {
    throw new InvalidCommand(`ERR Command is not available: '${name}': ${refusal}`);
  }
  return { name, args };
}
