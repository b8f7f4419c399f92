/** `npm start`: boots the backend and stays until Ctrl-C, SIGTERM or the end of the terminal. */
import type { LogLine } from "./log.ts";
import { settings } from "./settings.ts";
import { StackError } from "./stack-error.ts";
import type { StackEnv } from "./stack-env.ts";
import { type Stack, startStack } from "./stack.ts";

let stack: Stack | undefined;

/** A terminal that is gone, or a full disk behind it, costs the line and not the stack. */
function say(text: string): void {
  try {
    console.log(text);
  } catch {
    // Nobody is there to be told.
  }
}

/** What a developer wants to see pass by; all of it stands in the data folder's logs. */
function show({ service, text }: LogLine): void {
  if (
    service === "stack" || service === "functions" ||
    /\b(FATAL|PANIC)\b(?!.*starting up)/.test(text)
  ) {
    say(`${service} | ${text}`);
  }
}

function welcome({ env, bootMs }: Stack, dataDir: string): string {
  const rows = [
    ["API", env.API_URL],
    ["Functions", env.FUNCTIONS_URL],
    ["Database", env.DB_URL],
    ["QStash", env.QSTASH_URL],
    ["Redis", redisLine(env)],
    ["Publishable key", env.PUBLISHABLE_KEY],
    ["Secret key", env.SECRET_KEY],
    ["Data and logs", dataDir],
  ];
  const table = rows.map(([name, value]) => `  ${name!.padEnd(16)}${value}`).join("\n");
  const seconds = (bootMs / 1000).toFixed(1);
  return `\nPhoenix Flywheel runs (booted in ${seconds} s). Ctrl-C stops it; the data stays.\n\n${table}\n`;
}

function redisLine(env: StackEnv): string {
  return env.UPSTASH_REDIS_REST_URL ||
    "none: redis-server is not installed, memory serves instead (Debian: apt-get install redis-server)";
}

async function stopAndExit(code: number): Promise<void> {
  // Still booting: the services notice that we are gone.
  if (!stack) Deno.exit(code);
  const running = stack;
  stack = undefined;
  say("Stopping.");
  await running.stop();
  Deno.exit(code);
}

Deno.addSignalListener("SIGINT", () => stopAndExit(0));
Deno.addSignalListener("SIGTERM", () => stopAndExit(0));
Deno.addSignalListener("SIGHUP", () => stopAndExit(0));

// npm may be killed before it can pass the signal to stop on to us.
if (Deno.env.has("npm_lifecycle_event")) {
  const npm = Deno.ppid;
  const watch = setInterval(() => {
    if (Deno.ppid === npm) return;
    clearInterval(watch);
    stopAndExit(0);
  }, 200);
}

try {
  const chosen = settings();
  stack = await startStack({ ...chosen, log: show });
  say(welcome(stack, chosen.dataDir));
} catch (error) {
  if (!(error instanceof StackError)) throw error;
  console.error(error.message);
  Deno.exit(1);
}
