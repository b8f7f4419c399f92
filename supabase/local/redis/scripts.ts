import { createHash } from "node:crypto";
import type { Command } from "./command.ts";

const KEY_LOCKING = "allow-key-locking";

/**
 * Makes scripts written for Upstash run on stock Redis.
 *
 * Upstash's own clients mark their scripts with `#!lua flags=allow-key-locking`, a flag that stock Redis refuses. The
 * flag goes, and with it the script's SHA-1 changes: what was remembered of it lets EVALSHA with the client's SHA-1 find
 * the script that Redis holds. A SHA-1 that was never seen here is Redis's to answer (NOSCRIPT, and clients then EVAL).
 */
export function createScriptTranslator(): (command: Command) => Command {
  const held = new Map<string, string>();

  const translateScript = (script: string) => {
    const stock = withoutKeyLocking(script);
    if (stock !== script) held.set(sha1(script), sha1(stock));
    return stock;
  };
  const translateSha = (sha: string) => held.get(sha.toLowerCase()) ?? sha;

  return ({ name, args }) => {
    const [first, ...rest] = args;
    if (first === undefined) return { name, args };
    switch (name) {
      case "EVAL":
      case "EVAL_RO":
        return { name, args: [translateScript(first.toString()), ...rest] };
      case "EVALSHA":
      case "EVALSHA_RO":
        return { name, args: [translateSha(first.toString()), ...rest] };
      case "SCRIPT":
        return { name, args: [first, ...rest.map(translatorOf(first.toString()))] };
      default:
        return { name, args };
    }
  };

  function translatorOf(subcommand: string) {
    const translate = { LOAD: translateScript, EXISTS: translateSha }[subcommand.toUpperCase()];
    return (arg: Command["args"][number]) => translate ? translate(arg.toString()) : arg;
  }
}

/** Drops the flag, and the whole line when nothing else stands on it. Line numbers stay. */
function withoutKeyLocking(script: string): string {
  const line = script.split("\n", 1).join();
  if (!line.startsWith("#!lua") || !line.includes(KEY_LOCKING)) return script;
  const words = line.split(/\s+/).map(withoutFlag).filter((word) => word !== "");
  return (words.length > 1 ? words.join(" ") : "") + script.slice(line.length);
}

function withoutFlag(word: string): string {
  if (!word.startsWith("flags=")) return word;
  const flags = word.slice("flags=".length).split(",").filter((flag) => flag !== KEY_LOCKING);
  return flags.length > 0 ? `flags=${flags.join(",")}` : "";
}

function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}
