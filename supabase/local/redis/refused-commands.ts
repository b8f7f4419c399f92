/** Why commands cannot run over a shared connection behind stateless HTTP, and which. */
const refusals: Record<string, readonly string[]> = {
  "it turns the connection into a stream": [
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "MONITOR",
    "SYNC",
    "PSYNC",
  ],
  "it blocks the connection": [
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BLMOVE",
    "BLMPOP",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "WAIT",
    "WAITAOF",
  ],
  "send the commands to /multi-exec": ["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"],
  "it changes the connection": ["AUTH", "HELLO", "SELECT", "QUIT", "RESET"],
  "it administers the server": [
    "ACL",
    "CLUSTER",
    "CONFIG",
    "DEBUG",
    "FAILOVER",
    "MIGRATE",
    "MODULE",
    "REPLICAOF",
    "SHUTDOWN",
    "SLAVEOF",
  ],
};

const reasons = new Map(
  Object.entries(refusals).flatMap(([reason, names]) => names.map((name) => [name, reason])),
);

/**
 * Says why a command may not run here, or nothing where it may.
 *
 * @param name the command's name in upper case
 */
export function refusalOf(name: string, args: readonly { toString(): string }[]) {
  const has = (word: string) => args.some((arg) => arg.toString().toUpperCase() === word);
  if ((name === "XREAD" || name === "XREADGROUP") && has("BLOCK")) {
    return "BLOCK blocks the connection";
  }
  if (name === "CLIENT" && !has("SETINFO")) return "it changes the connection";
  if (name === "SCRIPT" && has("DEBUG")) return "it changes the connection";
  return reasons.get(name);
}
